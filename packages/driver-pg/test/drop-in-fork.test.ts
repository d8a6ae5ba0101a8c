import { fork, inChild, startRecordingProxy } from '@forksafe/testkit'
import type { Pool as PgPool, PoolConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { errorOf, eventsOf, openPool, pidOf } from './support/drop-in.ts'
import { connectionTo, target, type Transport, transports } from './support/pools.ts'

async function openRecorded(
  config: PoolConfig = {},
  transport: Transport = 'plain',
): Promise<{
  pool: PgPool
  /** From now on: what is sent, and by whomever, on a connection that is open already. */
  stray: () => Promise<() => Promise<unknown[]>>
}> {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const pool = openPool(Pool, { ...connectionTo({ proxy, transport }), ...config })
  await pool.query('SELECT 1')
  const stray = async (): Promise<() => Promise<unknown[]>> => {
    const mark = await proxy.mark()
    return () => proxy.records({ since: mark, openedBefore: mark })
  }
  return { pool, stray }
}

const counts = ({ totalCount, idleCount, waitingCount, expiredCount }: PgPool): number[] => [
  totalCount,
  idleCount,
  waitingCount,
  expiredCount,
]

describe.each([true, false])('in a child that calls afterFork(): %s', (afterFork) => {
  test("an idle connection stays the parent's, and the child opens its own", async () => {
    const { pool, stray } = await openRecorded({ max: 1 })
    const events = eventsOf(pool)
    const strayBytes = await stray()
    const { pid, seen } = await inChild(
      async () => ({ pid: await pidOf(pool), seen: [...events] }),
      { afterFork },
    )
    expect(await strayBytes()).toEqual([])
    expect(seen).toEqual(['connect', 'acquire', 'release'])
    expect(await pidOf(pool)).not.toBe(pid)
  })

  test('a transaction of the parent continues there, and its client fails in the child', async () => {
    const { pool, stray } = await openRecorded({ max: 1 })
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query('CREATE TEMP TABLE mine AS SELECT 1 AS one')
    const events = eventsOf(pool)
    const strayBytes = await stray()
    const child = await inChild(
      async () => {
        const { message } = await errorOf(client.query('INSERT INTO mine VALUES (2)'))
        client.release()
        client.release(true)
        const own = await pidOf(pool)
        return { message, own, events: [...events], counts: counts(pool) }
      },
      { afterFork },
    )
    expect(child).toEqual({
      message: 'Connection terminated unexpectedly',
      own: expect.any(Number),
      events: ['connect', 'acquire', 'release'],
      counts: [1, 1, 0, 0],
    })
    expect(await strayBytes()).toEqual([])
    expect((await client.query('SELECT * FROM mine')).rows).toEqual([{ one: 1 }])
    await client.query('ROLLBACK')
    client.release()
    expect(await pidOf(pool)).not.toBe(child.own)
  })

  test('a caller that waits is served in the parent, and rejected in the child', async () => {
    const { pool } = await openRecorded({ max: 1 })
    const client = await pool.connect()
    let outcome = 'waiting'
    const waiting = pool.query('SELECT 1 AS one').then(
      ({ rows }) => {
        outcome = 'served'
        return rows
      },
      (error: Error) => {
        outcome = error.name
        return []
      },
    )
    const inTheChild = await inChild(
      async () => {
        await pidOf(pool)
        await waiting
        return outcome
      },
      { afterFork },
    )
    expect(inTheChild).toBe('StaleResourceError')
    client.release()
    expect(await waiting).toEqual([{ one: 1 }])
  })

  test("end() closes what is the child's", async () => {
    const { pool, stray } = await openRecorded({ max: 2 })
    const pid = await pidOf(pool)
    const strayBytes = await stray()
    await inChild(
      async () => {
        await pool.query('SELECT 1')
        await pool.end()
      },
      { afterFork },
    )
    expect(await strayBytes()).toEqual([])
    expect(await pidOf(pool)).toBe(pid)
  })
})

test.each(transports)(
  'an inherited connection is let go of without a byte over %s',
  async (transport) => {
    const { pool, stray } = await openRecorded({ max: 1 }, transport)
    const client = await pool.connect()
    await client.query('BEGIN')
    const strayBytes = await stray()
    const child = await inChild(() => pidOf(pool))
    expect(await strayBytes()).toEqual([])
    expect(await pidOf(client)).not.toBe(child)
    await client.query('ROLLBACK')
    client.release()
  },
)

test('counts begin at zero in the child', async () => {
  const { pool } = await openRecorded({ max: 3, maxLifetimeSeconds: 1_000 })
  const client = await pool.connect()
  expect(counts(pool)).toEqual([1, 0, 0, 0])
  expect(await inChild(() => counts(pool))).toEqual([0, 0, 0, 0])
  client.release()
  expect(counts(pool)).toEqual([1, 1, 0, 0])
})

test('parent and children query at the same time, and each gets its own answers', async () => {
  const pool = openPool(Pool, { max: 2 })
  await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1')])
  const ask = async (of: number): Promise<boolean> => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const { rows } = await pool.query('SELECT $1::int AS n', [of + n])
        return (rows as { n: number }[])[0]?.n === of + n
      }),
    )
    return answers.every(Boolean)
  }
  const children = [await fork(() => ask(1_000)), await fork(() => ask(2_000))]
  expect(await ask(0)).toBe(true)
  expect(await Promise.all(children.map(({ result }) => result))).toEqual([true, true])
})
