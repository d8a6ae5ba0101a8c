import { createForkSafePool } from '@forksafe/core'
import { expect, onTestFinished, test } from 'vitest'
import { pgDriver, pgDriverWith } from '../src/index.ts'
import {
  backendPid,
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  type PgPool,
} from './support/pools.ts'

function openWith(resetQuery: string): PgPool {
  const pool = createForkSafePool(pgDriverWith({ resetQuery }), {
    connection: connectionTo(),
    max: 1,
  })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

const setting = async (pool: PgPool): Promise<unknown> =>
  (await pool.query("SELECT current_setting('application_name') AS name")).rows[0]

test('a session that is clean costs no round trip when it comes back', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  await pool.query('SELECT 1')
  const mark = await proxy.mark()
  const lease = await pool.acquire()
  lease.release()
  expect(pool.stats.idle).toBe(1)
  expect(await proxy.records({ since: mark })).toEqual([])
})

test.each(['BEGIN', 'BEGIN; SELECT 1/0'])(
  'what is left open by %s is rolled back before the next holder',
  async (left) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const pid = await backendPid(pool)
    await pool.use((client) => client.query(left).catch(() => undefined))
    const { rows } = await pool.query(
      'SELECT pg_backend_pid() AS pid, now() = statement_timestamp() AS fresh',
    )
    expect(rows).toEqual([{ pid, fresh: true }])
  },
)

test('a statement that the holder did not wait for is over before the next holder', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const forgotten: Promise<unknown>[] = []
  await pool.use((client) => void forgotten.push(client.query('SELECT pg_sleep(0.05)')))
  expect((await pool.query('SELECT 2 AS n')).rows).toEqual([{ n: 2 }])
  await Promise.all(forgotten)
})

test('settings stay, unless a resetQuery takes them away', async () => {
  const kept = openPool(connectionTo(), { max: 1 })
  await kept.query("SET application_name = 'mine'")
  expect(await setting(kept)).toEqual({ name: 'mine' })

  const reset = openWith('RESET ALL')
  const before = await setting(reset)
  await reset.query("SET application_name = 'mine'")
  expect(await setting(reset)).toEqual(before)
})

test('DISCARD ALL takes away all that stays otherwise', async () => {
  await observe('CREATE ROLE somebody')
  onTestFinished(async () => void (await observe('DROP ROLE somebody')))
  const left = async (pool: PgPool): Promise<unknown> => {
    await pool.use(async (client) => {
      await client.query("SET application_name = 'mine'")
      await client.query('CREATE TEMP TABLE leftover (n int)')
      await client.query('SET ROLE somebody')
      await client.query('PREPARE leftover AS SELECT 1')
      await client.query('SELECT pg_advisory_lock(pg_backend_pid())')
      await client.query('LISTEN leftover')
    })
    const { rows } =
      await pool.query(`SELECT current_setting('application_name') = 'mine' AS setting,
      current_user = 'somebody' AS role,
      to_regclass('leftover') IS NOT NULL AS table,
      EXISTS (SELECT FROM pg_prepared_statements) AS prepared,
      EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS lock,
      EXISTS (SELECT pg_listening_channels()) AS listening`)
    return rows[0]
  }
  const all = (stays: boolean): object => ({
    setting: stays,
    role: stays,
    table: stays,
    prepared: stays,
    lock: stays,
    listening: stays,
  })
  expect(await left(openPool(connectionTo(), { max: 1 }))).toEqual(all(true))
  expect(await left(openWith('DISCARD ALL'))).toEqual(all(false))
})

test('what a holder listened by goes, and what the pool listens by stays', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const heard: unknown[] = []
  const pid = await pool.use(async (client) => {
    client.on('notification', ({ payload }) => heard.push(payload))
    client.once('notice', () => heard.push('notice'))
    client.on('error', () => heard.push('error'))
    await client.query('LISTEN own_listeners')
    await client.query("NOTIFY own_listeners, 'mine'")
    return backendPid(client)
  })
  await pool.use(async (client) => {
    await client.query("NOTIFY own_listeners, 'no longer mine'")
    await client.query("DO $$ BEGIN RAISE NOTICE 'nor this'; END $$")
  })
  await observe('SELECT pg_terminate_backend($1)', [pid])
  await expect.poll(() => pool.stats.size).toBe(0)
  expect(heard).toEqual(['mine'])
})

test('a resetQuery runs after a transaction that was left open, too', async () => {
  const pool = openWith('DISCARD ALL')
  const pid = await backendPid(pool)
  await pool.use((client) => client.query('BEGIN; CREATE TEMP TABLE leftover (n int)'))
  await pool.query('CREATE TEMP TABLE leftover (n int)')
  await pool.query('CREATE TEMP TABLE leftover (n int)')
  expect(await backendPid(pool)).toBe(pid)
})

test.each(['DISCARD ALL', 'deallocate  prepare all', 'SELECT 1; DEALLOCATE ALL', 'RESET ALL'])(
  'a named statement can be used again after %s',
  async (resetQuery) => {
    const pool = openWith(resetQuery)
    const statement = { name: 'plus_one', text: 'SELECT $1::int + 1 AS sum' }
    for (const n of [1, 2, 3]) {
      expect((await pool.query(statement, [n])).rows).toEqual([{ sum: n + 1 }])
    }
  },
)

test('a resetQuery that fails ends the connection, and nobody else sees it', async () => {
  const pool = openWith('SELEKT')
  const errors: unknown[] = []
  pool.on('hookError', ({ hook, error }) => errors.push([hook, (error as Error).message]))
  const pid = await backendPid(pool)
  expect(await backendPid(pool)).not.toBe(pid)
  expect(errors[0]).toEqual(['reset', expect.stringContaining('SELEKT')])
})

test('without a resetQuery it is the driver itself', () => {
  expect(pgDriverWith({})).toBe(pgDriver)
})

test.each([
  [{ resetQuery: 5 }, 'expected `resetQuery` to be a statement, got a number'],
  [{ resetQuery: ' ' }, 'expected `resetQuery` to be a statement'],
  [{ reset: 'DISCARD ALL' }, 'there is no option `reset`'],
  [undefined, 'expected a plain object of options'],
])('pgDriverWith refuses %j', (options, message) => {
  expect(() => pgDriverWith(options as object)).toThrow(message)
})

test.each([false, true])(
  'a transaction that begins behind the query whose callback gives the connection back is rolled back (pipeline: %s)',
  async (pipeline) => {
    const pool = openPool({ ...connectionTo(), pipeline }, { max: 1 })
    const lease = await pool.acquire()
    const client = lease.resource
    const pid = await backendPid(client)
    await new Promise<void>((resolve) => {
      client.query('SELECT 1', () => {
        lease.release()
        resolve()
      })
      client.query('BEGIN', () => undefined)
    })
    const next = await pool.use(async (client) => {
      const pid = await backendPid(client)
      return { pid, status: client.getTransactionStatus() }
    })
    expect(next).toEqual({ pid, status: 'I' })
  },
)
