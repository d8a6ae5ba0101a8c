import { AcquireTimeoutError, CreateError, type PoolEvents } from '@forksafe/core'
import { Client, type ClientConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MODES, needPgBouncer, startBouncer } from './support/bouncers.ts'
import { useOwnServer } from './support/own-server.ts'
import { openPool } from './support/pools.ts'

needPgBouncer()
const own = useOwnServer({ tls: false, roles: { app: 'secret' } })

describe('what PgBouncer refuses', () => {
  type Failure = PoolEvents['createError'][0]

  /** What a caller sees, and what the pool made of it. */
  async function refused(connection: ClientConfig, acquireTimeoutMillis = 20_000) {
    const pool = openPool(connection, { acquireTimeoutMillis })
    const failures: Failure[] = []
    pool.on('createError', (failure) => failures.push(failure))
    const seen = await pool.query('SELECT 1').catch((error: unknown) => error)
    return { pool, seen, kind: failures[0]?.kind }
  }

  const app = { user: 'app', password: 'secret' }

  test.each<[string, ClientConfig, RegExp]>([
    ['a wrong password', { ...app, password: 'wrong' }, /authentication failed/],
    ['a user that it does not know', { user: 'nobody_at_all' }, /authentication failed|password/],
    ['a database that the server does not have', { ...app, database: 'missing' }, /missing/],
    ['TLS, which it does not speak', { ...app, ssl: true }, /does not support SSL/],
  ])('for good, all who wait are told at once: %s', async (_, change, reason) => {
    const { through } = await startBouncer(own(), { mode: 'transaction', roles: { app: 'secret' } })
    const { seen, kind } = await refused({ ...through, ...change })
    expect(seen).toBeInstanceOf(CreateError)
    expect(seen).toHaveProperty('cause.message', expect.stringMatching(reason))
    expect(kind).toBe('fatal')
  })

  test.each(MODES)('a setting at connect, in %s mode', async (mode) => {
    const { through } = await startBouncer(own(), { mode })
    const { seen, kind } = await refused({ ...through, statement_timeout: 1_000 })
    expect(seen).toBeInstanceOf(CreateError)
    const reason = 'unsupported startup parameter: statement_timeout'
    expect(seen).toHaveProperty('cause.message', reason)
    expect(kind).toBe('fatal')
  })

  test('because it has as many clients as it may: callers wait, and are served when there is room', async () => {
    const { through } = await startBouncer(own(), {
      mode: 'transaction',
      settings: { max_client_conn: '1' },
    })
    const first = new Client(through)
    await first.connect()
    const { pool, seen, kind } = await refused(through, 600)
    expect(seen).toBeInstanceOf(AcquireTimeoutError)
    expect(seen).toHaveProperty('cause.message', 'no more connections allowed (max_client_conn)')
    expect(kind).toBe('full')
    const answer = pool.use(async (client) => (await client.query('SELECT 1 AS one')).rows, {
      timeoutMillis: 10_000,
    })
    await first.end()
    expect(await answer).toEqual([{ one: 1 }])
  })

  test('because the server behind it is full', async () => {
    const { tell } = own()
    await tell('ALTER ROLE app CONNECTION LIMIT 0')
    onTestFinished(() => tell('ALTER ROLE app CONNECTION LIMIT -1'))
    const { through } = await startBouncer(own(), { mode: 'transaction', roles: { app: 'secret' } })
    const { seen, kind } = await refused({ ...through, ...app }, 600)
    expect(seen).toHaveProperty('cause.message', 'too many connections for role "app"')
    expect(kind).toBe('full')
  })

  test('in the middle of a query, because none of its sessions became free in time', async () => {
    const settings = { default_pool_size: '1', query_wait_timeout: '1' }
    const { through } = await startBouncer(own(), { mode: 'transaction', settings })
    const pool = openPool(through, { max: 2 })
    const seen = await pool.transaction(async () =>
      pool.query('SELECT 1').catch((error: unknown) => error),
    )
    expect(seen).toMatchObject({ message: 'query_wait_timeout' })
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })
})
