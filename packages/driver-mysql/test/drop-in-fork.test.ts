import { fork, inChild } from '@forksafe/testkit'
import type { Pool, PoolOptions } from 'mysql2/promise'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, eventsOf, openDropIn } from './support/drop-in.ts'
import { connectionTo, sessionId, startProxy, type Transport, transports } from './support/pools.ts'

async function openRecorded(
  options: PoolOptions = {},
  transport: Transport = 'plain',
): Promise<{
  pool: Pool
  /** From now on: what is sent, and by whomever, on a connection that is open already. */
  stray: () => Promise<() => Promise<unknown[]>>
}> {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  const pool = openDropIn(createPool, { ...connectionTo({ proxy, transport }), ...options })
  await pool.query('SELECT 1')
  const stray = async (): Promise<() => Promise<unknown[]>> => {
    const mark = await proxy.mark()
    return () => proxy.records({ since: mark, openedBefore: mark })
  }
  return { pool, stray }
}

describe.each([true, false])('in a child that calls afterFork(): %s', (afterFork) => {
  test("an idle connection stays the parent's, and the child opens its own", async () => {
    const { pool, stray } = await openRecorded({ connectionLimit: 1 })
    const events = eventsOf(pool)
    const strayBytes = await stray()
    const { id, seen } = await inChild(
      async () => ({ id: await sessionId(pool), seen: [...events] }),
      { afterFork },
    )
    expect(await strayBytes()).toEqual([])
    expect(seen).toEqual(['connection', 'acquire', 'release'])
    expect(await sessionId(pool)).not.toBe(id)
  })

  test('a transaction of the parent goes on there, and its connection is of no use here', async () => {
    const { pool, stray } = await openRecorded({ connectionLimit: 1 })
    const connection = await pool.getConnection()
    await connection.query('CREATE TEMPORARY TABLE mine (n int)')
    await connection.beginTransaction()
    await connection.execute('INSERT INTO mine VALUES (?)', [1])
    const events = eventsOf(pool)
    const strayBytes = await stray()
    const child = await inChild(
      async () => {
        const errors = [
          await errorOf(connection.query('INSERT INTO mine VALUES (2)')),
          await errorOf(connection.execute('INSERT INTO mine VALUES (?)', [2])),
          await errorOf(connection.ping()),
          await errorOf(connection.commit()),
        ]
        connection.release()
        connection.destroy()
        const own = await sessionId(pool)
        const names = errors.map(({ name }) => name)
        return { names, own, events: [...events], counts: countsOf(pool) }
      },
      { afterFork },
    )
    expect(child).toEqual({
      names: Array.from({ length: 4 }, () => 'StaleResourceError'),
      own: expect.any(Number),
      events: ['connection', 'acquire', 'release'],
      counts: [1, 1, 0],
    })
    expect(await strayBytes()).toEqual([])
    expect((await connection.execute('SELECT * FROM mine'))[0]).toEqual([{ n: 1 }])
    await connection.rollback()
    connection.release()
    expect(await sessionId(pool)).not.toBe(child.own)
  })

  test.each(['destroy', 'release', 'end'] as const)(
    "a child's %s() of a connection is nothing to the parent",
    async (ending) => {
      const { pool, stray } = await openRecorded({ connectionLimit: 1, gracefulEnd: true })
      const connection = await pool.getConnection()
      const strayBytes = await stray()
      const before = await inChild(
        async () => {
          void connection[ending]()
          return sessionId(pool)
        },
        { afterFork },
      )
      expect(await strayBytes()).toEqual([])
      expect(await sessionId(connection)).not.toBe(before)
      connection.release()
    },
  )

  test('a caller that waits is served in the parent, and rejected in the child', async () => {
    const { pool } = await openRecorded({ connectionLimit: 1 })
    const connection = await pool.getConnection()
    let outcome = 'waiting'
    const waiting = pool.query('SELECT 1 AS one').then(
      ([rows]) => {
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
        await sessionId(pool)
        await waiting
        return outcome
      },
      { afterFork },
    )
    expect(inTheChild).toBe('StaleResourceError')
    connection.release()
    expect(await waiting).toEqual([{ one: 1 }])
  })

  test("a pool that is full in the parent is not in the child's", async () => {
    const { pool } = await openRecorded({ connectionLimit: 1, waitForConnections: false })
    const connection = await pool.getConnection()
    const own = await inChild(() => sessionId(pool), { afterFork })
    expect(await sessionId(connection)).not.toBe(own)
    connection.release()
  })

  test("end() closes what is the child's", async () => {
    const { pool, stray } = await openRecorded({ connectionLimit: 2 })
    const connection = await pool.getConnection()
    const id = await sessionId(pool)
    const strayBytes = await stray()
    await inChild(
      async () => {
        await pool.query('SELECT 1')
        await pool.end()
      },
      { afterFork },
    )
    expect(await strayBytes()).toEqual([])
    expect(await sessionId(pool)).toBe(id)
    connection.release()
  })
})

test.each(transports)(
  'an inherited connection is let go of without a byte over %s',
  async (transport) => {
    const { pool, stray } = await openRecorded({ connectionLimit: 1 }, transport)
    const connection = await pool.getConnection()
    await connection.beginTransaction()
    const strayBytes = await stray()
    const child = await inChild(async () => {
      const own = await sessionId(pool)
      connection.destroy()
      return own
    })
    expect(await strayBytes()).toEqual([])
    expect(await sessionId(connection)).not.toBe(child)
    await connection.rollback()
    connection.release()
  },
)

test('counts begin at zero in the child', async () => {
  const { pool } = await openRecorded({ connectionLimit: 3 })
  const connection = await pool.getConnection()
  expect(countsOf(pool)).toEqual([1, 0, 0])
  expect(await inChild(() => countsOf(pool))).toEqual([0, 0, 0])
  connection.release()
  expect(countsOf(pool)).toEqual([1, 1, 0])
})

test('`maxIdle` ends nothing of the parent in a child', async () => {
  const { pool, stray } = await openRecorded({ connectionLimit: 3, maxIdle: 1 })
  const connections = await Promise.all([1, 2, 3].map(() => pool.getConnection()))
  const strayBytes = await stray()
  for (const connection of connections) connection.release()
  // Its copy of the timer is due there, and nothing has told it of the fork.
  await inChild(() => new Promise((resolve) => setTimeout(resolve, 1_200)), { afterFork: false })
  expect(await sessionId(pool)).toBeGreaterThan(0)
  // Two have ended, each once, and the third is still in use.
  const ends = (await strayBytes()).filter((record) => isEndOfClient(record))
  expect(ends).toHaveLength(2)
})

function isEndOfClient(record: unknown): boolean {
  const { kind, direction } = record as { kind: string; direction: string }
  return kind === 'end' && direction === 'fromClient'
}

test('parent and children query at the same time, and each gets its own answers', async () => {
  const pool = openDropIn(createPool, { connectionLimit: 2 })
  await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1')])
  const ask = async (of: number): Promise<boolean> => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const [rows] = await pool.execute('SELECT ? AS n', [of + n])
        return Number((rows as { n: unknown }[])[0]?.n) === of + n
      }),
    )
    return answers.every(Boolean)
  }
  const children = [await fork(() => ask(1_000)), await fork(() => ask(2_000))]
  expect(await ask(0)).toBe(true)
  expect(await Promise.all(children.map(({ result }) => result))).toEqual([true, true])
})
