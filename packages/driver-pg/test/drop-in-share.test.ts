import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { type DropInConfig, Pool } from '../src/index.ts'
import { errorOf, eventsOf, openPool, pidOf } from './support/drop-in.ts'
import { observe } from './support/pools.ts'
import { needSharing } from './support/sharing.ts'

needSharing()

function resolvers<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

const sharing: DropInConfig = { share: 'reads', max: 1 }

test('the pool sends statements of many callers on one connection', async () => {
  const pool = openPool(Pool, sharing)
  const asleep = Array.from({ length: 8 }, (_, n) =>
    pool.query<{ n: number }>('SELECT $1::int AS n FROM pg_sleep(0.05)', [n]),
  )
  await pool.query('SELECT 1')
  for (const [n, answer] of asleep.entries()) expect((await answer).rows).toEqual([{ n }])
  expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0])
  const { promise, resolve, reject } = resolvers<unknown[]>()
  pool.query<{ n: number }>('SELECT $1::int AS n', [1], (error: Error | undefined, result) =>
    error ? reject(error) : resolve(result.rows),
  )
  expect(await promise).toEqual([{ n: 1 }])
})

test('statements are on their way at once', async () => {
  const pool = openPool(Pool, sharing)
  await pool.query('SELECT 1')
  let most = 0
  let out = 0
  pool.on('acquire', () => (most = Math.max(most, ++out)))
  pool.on('release', () => out--)
  await Promise.all(Array.from({ length: 40 }, () => pool.query('SELECT 1')))
  expect([most, out]).toEqual([16, 0])
})

test.each([false, 'reads'] as const)(
  'with `share: %s`, the events are those of pg.Pool',
  async (share) => {
    const config: DropInConfig = { ...sharing, share }
    const pool = openPool(Pool, config)
    const events = eventsOf(pool)
    const released: unknown[] = []
    pool.on('release', (error: unknown) => released.push(error))
    await pool.query('SELECT 1')
    const error = await errorOf(pool.query('SELECT nothing'))
    expect(events).toEqual(['connect', 'acquire', 'release', 'acquire', 'release'])
    expect(released).toEqual([undefined, error])
    const client = await pool.connect()
    client.release()
    await pool.end()
    expect(events.slice(5)).toEqual(['acquire', 'release', 'remove'])
  },
)

test('a client that is lent is alone, and so is a query with `share: false`', async () => {
  const pool = openPool(Pool, { ...sharing, max: 2 })
  const client = await pool.connect()
  await client.query('BEGIN')
  const answers = Array.from({ length: 50 }, (_, n) => pool.query('SELECT $1::int AS n', [n]))
  for (const [n, answer] of answers.entries()) expect((await answer).rows).toEqual([{ n }])
  expect((client as unknown as Client).getTransactionStatus()).toBe('T')
  await client.query('COMMIT')
  client.release()
  const alone = { text: 'SELECT 1 AS n', share: false }
  expect((await pool.query(alone)).rows).toEqual([{ n: 1 }])
})

test('the end of the connection rejects each statement, without an error of the pool', async () => {
  const pool = openPool(Pool, sharing)
  const events = eventsOf(pool)
  const pid = await pidOf(pool)
  const asleep = Array.from({ length: 4 }, () => errorOf(pool.query('SELECT pg_sleep(3600)')))
  await sleep(0)
  await observe('SELECT pg_terminate_backend($1)', [pid])
  for (const error of await Promise.all(asleep)) expect(error).toBeInstanceOf(Error)
  await expect.poll(() => events).toContain('remove')
  expect(events).not.toContain('error')
  expect(await pidOf(pool)).not.toBe(pid)
})

test('an outage rejects statements that wait, in the words of pg-pool', async () => {
  const pool = openPool(Pool, { ...sharing, host: '127.0.0.1', port: 1 })
  const errors = await Promise.all(
    Array.from({ length: 30 }, () => errorOf(pool.query('SELECT 1'))),
  )
  for (const error of errors) expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  await pool.end()
  expect(await errorOf(pool.query('SELECT 1'))).toHaveProperty(
    'message',
    'Cannot use a pool after calling end on the pool',
  )
})

test('a wrong `share` is refused', () => {
  expect(() => new Pool({ share: true as never })).toThrow("'reads', 'statements' or false")
})

test('a client whose pipeline is that of pg before 8.23.1 is not shared', async () => {
  class Old extends Client {
    // It refuses no query object.
    override query(...given: unknown[]): never {
      const [query] = given as [{ readonly submit?: unknown }]
      const queue = (this as unknown as { _queryQueue: unknown[] })._queryQueue
      if (typeof query.submit === 'function') return queue.push(query) as never
      return (super.query as (...given: unknown[]) => unknown).apply(this, given) as never
    }
  }
  const pool = openPool(Pool, { ...sharing, Client: Old })
  let [out, most] = [0, 0]
  pool.on('acquire', () => (most = Math.max(most, ++out)))
  pool.on('release', () => out--)
  const answers = Array.from({ length: 20 }, (_, n) => pool.query('SELECT $1::int AS n', [n]))
  for (const [n, answer] of answers.entries()) expect((await answer).rows).toEqual([{ n }])
  expect(most).toBe(1)
})
