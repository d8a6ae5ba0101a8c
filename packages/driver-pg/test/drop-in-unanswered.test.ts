import { Pool as PgPool, type PoolClient, type PoolConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { errorOf, openPool, pidOf, pools } from './support/drop-in.ts'
import { connectionTo, observe, startProxy } from './support/pools.ts'

// A client that is released while a query of its holder is unanswered, and may stay so for ever. Nothing here is timed: what does not
// recover fails by the test's own timeout.

async function openBehindProxy(Class: typeof PgPool, config: PoolConfig = {}) {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  return { proxy, pool: openPool(Class, { max: 1, ...connectionTo({ proxy }), ...config }) }
}

/** Sends a query that is not answered, and waits for nothing. */
function askInVain(client: PoolClient, text = 'SELECT 1'): Promise<Error> {
  return errorOf(client.query(text))
}

async function expectServed(pool: PgPool): Promise<void> {
  for (let n = 0; n < 3; n++) {
    expect((await pool.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }])
  }
}

const releases: [string, (client: PoolClient) => void][] = [
  ['release()', (client) => client.release()],
  ['release(true)', (client) => client.release(true)],
  ['release(error)', (client) => client.release(new Error('broken'))],
]

describe('behind a black hole,', () => {
  test.each(releases)('%s after an unanswered query costs one client', async (_, release) => {
    const { proxy, pool } = await openBehindProxy(Pool)
    const client = await pool.connect()
    const [{ id } = { id: 0 }] = await proxy.connections()
    await proxy.hold({ connection: id })
    const failed = askInVain(client)
    release(client)
    await expectServed(pool)
    expect(await failed).toBeInstanceOf(Error)
    expect(pool.totalCount).toBe(1)
  })

  test.each(releases)(
    '%s after several unanswered queries costs one client',
    async (_, release) => {
      const { proxy, pool } = await openBehindProxy(Pool)
      const client = await pool.connect()
      const [{ id } = { id: 0 }] = await proxy.connections()
      await proxy.hold({ connection: id })
      const failed = Promise.all([1, 2, 3].map(() => askInVain(client)))
      release(client)
      await expectServed(pool)
      for (const error of await failed) expect(error).toBeInstanceOf(Error)
    },
  )

  test.each(pools)('a client of %s that timed out is at most one error', async (_, Class) => {
    const { proxy, pool } = await openBehindProxy(Class, { query_timeout: 300 })
    const client = await pool.connect()
    const [{ id } = { id: 0 }] = await proxy.connections()
    await proxy.hold({ connection: id })
    expect((await askInVain(client)).message).toBe('Query read timeout')
    client.release()
    const errors: unknown[] = []
    for (let n = 0; n < 3; n++) await pool.query('SELECT 1').catch((error) => errors.push(error))
    // pg.Pool lends it once more.
    expect(errors).toHaveLength(Class === PgPool ? 1 : 0)
  })

  test('a client that is released before its query times out makes room', async () => {
    const { proxy, pool } = await openBehindProxy(Pool, { query_timeout: 500 })
    const client = await pool.connect()
    const [{ id } = { id: 0 }] = await proxy.connections()
    await proxy.hold({ connection: id })
    const failed = askInVain(client)
    client.release()
    expect((await failed).message).toBe('Query read timeout')
    await expect.poll(() => pool.totalCount).toBe(0)
    await expectServed(pool)
  })

  test.each(releases)(
    '%s after an unanswered query keeps no `end()` from settling',
    async (_, release) => {
      const { proxy, pool } = await openBehindProxy(Pool)
      const client = await pool.connect()
      await proxy.hold()
      const failed = askInVain(client)
      release(client)
      await pool.end()
      expect(await failed).toBeInstanceOf(Error)
      expect(pool).toMatchObject({ totalCount: 0, ended: true })
    },
  )

  test('a release after `end()` lets it settle', async () => {
    const { proxy, pool } = await openBehindProxy(Pool)
    const client = await pool.connect()
    await proxy.hold()
    const failed = askInVain(client)
    const ended = pool.end()
    client.release()
    await ended
    expect(await failed).toBeInstanceOf(Error)
  })

  test('idle clients keep no `end()` from settling', async () => {
    const { proxy, pool } = await openBehindProxy(Pool)
    await pool.query('SELECT 1')
    await proxy.hold()
    await pool.end()
    expect(pool.totalCount).toBe(0)
  })
})

describe('a long query that timed out', () => {
  const config = { max: 1, query_timeout: 100 }

  test.each(releases)('costs its client on %s, at once', async (_, release) => {
    const pool = openPool(Pool, config)
    const client = await pool.connect()
    const pid = await pidOf(client)
    expect((await askInVain(client, 'SELECT pg_sleep(600)')).message).toBe('Query read timeout')
    release(client)
    expect(pool).toMatchObject({ totalCount: 0, idleCount: 0 })
    await expectServed(pool)
    await observe('SELECT pg_terminate_backend($1)', [pid])
  })

  test('of `pool.query` costs its client, at once', async () => {
    const pool = openPool(Pool, config)
    const pid = await pidOf(pool)
    expect((await errorOf(pool.query('SELECT pg_sleep(600)'))).message).toBe('Query read timeout')
    expect(pool).toMatchObject({ totalCount: 0, idleCount: 0 })
    await expectServed(pool)
    await observe('SELECT pg_terminate_backend($1)', [pid])
  })

  test('keeps no `end()` from settling', async () => {
    const pool = openPool(Pool, config)
    const client = await pool.connect()
    const pid = await pidOf(client)
    await askInVain(client, 'SELECT pg_sleep(600)')
    const ended = pool.end()
    client.release()
    await ended
    expect(pool.totalCount).toBe(0)
    await observe('SELECT pg_terminate_backend($1)', [pid])
  })
})

describe('a query that its holder does not wait for', () => {
  test('continues as long as no caller needs its client', async () => {
    const pool = openPool(Pool, { max: 1 })
    const client = await pool.connect()
    const late = client.query("SELECT pg_sleep(4), 'late' AS which")
    client.release()
    client.removeAllListeners()
    expect((await late).rows).toMatchObject([{ which: 'late' }])
    await expect.poll(() => pool.idleCount).toBe(1)
    await expectServed(pool)
  })

  test('ends when callers have waited long enough', async () => {
    const pool = openPool(Pool, { max: 1 })
    const client = await pool.connect()
    const pid = await pidOf(client)
    const failed = askInVain(client, 'SELECT pg_sleep(600)')
    client.release()
    await expectServed(pool)
    expect(await failed).toBeInstanceOf(Error)
    await observe('SELECT pg_terminate_backend($1)', [pid])
  })

  test('fails together with its connection, and makes room', async () => {
    const pool = openPool(Pool, { max: 1 })
    const client = await pool.connect()
    const pid = await pidOf(client)
    const failed = askInVain(client, 'SELECT pg_sleep(600)')
    client.release()
    await observe('SELECT pg_terminate_backend($1)', [pid])
    expect(await failed).toMatchObject({ code: '57P01' })
    await expectServed(pool)
  })
})
