import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Client, type ClientConfig } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MODES, type Mode, needPgBouncer, startBouncer } from './support/bouncers.ts'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { backendPid, openPool, type PgPool } from './support/pools.ts'

needPgBouncer()
const own = useOwnServer({ tls: false })

/** With two sessions at the server, for all of its clients. */
async function startSmallBouncer(mode: Mode) {
  return startBouncer(own(), { mode, settings: { default_pool_size: '2' } })
}

/** Takes a session's place at the server, so that the next one to ask is given another. */
async function useUpASession(through: ClientConfig): Promise<void> {
  const client = new Client(through)
  await client.connect()
  await client.query('BEGIN')
  onTestFinished(() => client.end())
}

/** What PgBouncer says of a server connection that it lost, or could not open; or nothing. */
const LOST =
  /^(terminating connection|server conn crashed|server login has been failing|query_wait_timeout|Connection terminated)/

describe.each(MODES)('in %s mode', (mode) => {
  test('queries and transactions are answered, of more clients than there are sessions', async () => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: mode === 'session' ? 2 : 8 })
    const { seen, stop } = startLoad(pool)
    await expect.poll(() => seen.right).toBeGreaterThan(200)
    const sums = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        pool.transaction(async (client) => {
          await client.query('CREATE TEMP TABLE mine (n int) ON COMMIT DROP')
          await client.query('INSERT INTO mine VALUES ($1), ($1)', [n])
          return (await client.query<{ sum: string }>('SELECT sum(n) FROM mine')).rows[0]?.sum
        }),
      ),
    )
    expect(sums).toEqual(['2', '4', '6', '8'])
    expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
  })

  test('SET LOCAL and transaction-level advisory locks hold', async () => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 1 })
    const text = `SELECT current_setting('work_mem') AS memory,
      (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks`
    const inside = await pool.transaction(async (client) => {
      await client.query("SET LOCAL work_mem = '7MB'")
      await client.query('SELECT pg_advisory_xact_lock(1)')
      return (await client.query(text)).rows as unknown[]
    })
    expect(inside).toEqual([{ memory: '7MB', locks: 1 }])
    expect((await pool.query(text)).rows).toEqual([{ memory: '4MB', locks: 0 }])
  })

  test('cursors and COPY stream through `use`', async () => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 1 })
    const rows = await pool.use(async (client) => {
      const cursor = client.query(new Cursor('SELECT generate_series(1, 1000)'))
      let rows = 0
      for (let read = await cursor.read(100); read.length > 0; read = await cursor.read(100))
        rows += read.length
      return rows
    })
    expect(rows).toBe(1_000)
    let bytes = 0
    const count = new Writable({
      write(chunk: Buffer, _, done) {
        bytes += chunk.length
        done()
      },
    })
    const copy = "COPY (SELECT repeat('x', 99) FROM generate_series(1, 1000)) TO STDOUT"
    await pool.use((client) => pipeline(client.query(copyTo(copy)), count))
    expect(bytes).toBe(100_000)
  })

  test('a query that is aborted is cancelled on the server', async () => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 1 })
    await pool.query('SELECT 1')
    const aborter = new AbortController()
    const text = 'SELECT pg_sleep(60) /* to be cancelled */'
    const answer = pool.query(text, [], { signal: aborter.signal }).catch((error: unknown) => error)
    const running = async () => {
      const find = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1`
      const client = new Client(own().connection)
      await client.connect()
      const { rowCount } = await client.query(find, [text])
      await client.end()
      return rowCount
    }
    await expect.poll(running).toBe(1)
    aborter.abort()
    expect(await answer).toBe(aborter.signal.reason)
    await expect.poll(running).toBe(0)
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('a session that the server ends is replaced', async () => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 1 })
    const before = await backendPid(pool)
    await own().tell('SELECT pg_terminate_backend($1)', [before])
    const settled = async () => backendPid(pool).catch((error: unknown) => error)
    await expect.poll(settled).toEqual(expect.any(Number))
    expect(await settled()).not.toBe(before)
  })

  test('a restart of the server behind it rejects requests in progress, and then queries are answered again', async () => {
    const { server } = own()
    const settings = { default_pool_size: '3', server_login_retry: '1' }
    const { through } = await startBouncer(own(), { mode, settings })
    const pool = openPool(through, { max: 3 })
    const lease = await pool.acquire()
    const underWay = lease.resource.query('SELECT pg_sleep(60)').catch((error: unknown) => error)
    const { seen, stop } = startLoad(pool, 2)
    await expect.poll(() => seen.right).toBeGreaterThan(100)
    await server.restart()
    expect(await underWay).toHaveProperty('message', expect.stringMatching(LOST))
    lease.release()
    const { right } = seen
    await expect.poll(() => seen.right - right).toBeGreaterThan(100)
    const { wrong, errors } = await stop()
    expect(wrong).toBe(0)
    // Who asks while the server is away waits at PgBouncer, or is refused by it.
    for (const { message } of errors) expect(message).toMatch(LOST)
  })

  test('a crash of PgBouncer fails what is under way, and all others are answered', async () => {
    const { bouncer, through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 2 })
    const { seen, stop } = startLoad(pool)
    await expect.poll(() => seen.right).toBeGreaterThan(100)
    const { right } = seen
    await bouncer.restart()
    await expect.poll(() => seen.right - right).toBeGreaterThan(100)
    const { wrong, errors } = await stop()
    expect(wrong).toBe(0)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThanOrEqual(2)
  })
})

/** What holds for as long as a client keeps its session: in transaction mode the next query may run in another. */
const ofTheSession: [string, (pool: PgPool, away: () => Promise<void>) => Promise<unknown>][] = [
  [
    'SET',
    (pool, away) =>
      pool.use(async (client) => {
        await client.query("SET work_mem = '7MB'")
        await away()
        const text = "SELECT current_setting('work_mem') = '7MB' AS holds"
        return (await client.query<{ holds: boolean }>(text)).rows[0]?.holds
      }),
  ],
  [
    'a temporary table',
    (pool, away) =>
      pool.use(async (client) => {
        await client.query('CREATE TEMP TABLE kept (n int)')
        await away()
        const text = "SELECT to_regclass('pg_temp.kept') IS NOT NULL AS holds"
        return (await client.query<{ holds: boolean }>(text)).rows[0]?.holds
      }),
  ],
  [
    'a session-level advisory lock',
    (pool, away) =>
      pool.use(async (client) => {
        await client.query('SELECT pg_advisory_lock(2)')
        await away()
        const text = 'SELECT pg_advisory_unlock(2) AS holds'
        return (await client.query<{ holds: boolean }>(text)).rows[0]?.holds
      }),
  ],
  [
    'LISTEN',
    (pool, away) =>
      pool.use(async (client) => {
        await client.query('LISTEN news')
        await away()
        const text = "SELECT 'news' IN (SELECT pg_listening_channels()) AS holds"
        return (await client.query<{ holds: boolean }>(text)).rows[0]?.holds
      }),
  ],
  [
    'a cursor WITH HOLD',
    (pool, away) =>
      pool.use(async (client) => {
        await client.query('DECLARE held CURSOR WITH HOLD FOR SELECT 1')
        await away()
        const text = "SELECT count(*) = 1 AS holds FROM pg_cursors WHERE name = 'held'"
        return (await client.query<{ holds: boolean }>(text)).rows[0]?.holds
      }),
  ],
]

describe.each(ofTheSession)('%s', (_, use) => {
  test.each([
    ['session', true],
    ['transaction', false],
  ] as const)('in %s mode outlasts a transaction: %s', async (mode, holds) => {
    const { through } = await startSmallBouncer(mode)
    const pool = openPool(through, { max: 1 })
    expect(await use(pool, () => useUpASession(through))).toBe(holds)
  })
})

test.each(MODES)('a statement that the user named, in %s mode', async (mode) => {
  const { bouncer, through } = await startSmallBouncer(mode)
  const pool = openPool(through, { max: 1 })
  const named = { name: 'double', text: 'SELECT $1::int * 2 AS n', values: [2] }
  const outcome = await pool
    .use(async (client) => {
      await client.query(named)
      await useUpASession(through)
      return (await client.query(named)).rows as unknown
    })
    .catch((error: unknown) => error)
  // From 1.24 on PgBouncer prepares them anew wherever they are missing.
  const [, minor = 0] = bouncer.version.split('.').map(Number)
  if (mode === 'session' || minor >= 24) expect(outcome).toEqual([{ n: 4 }])
  else expect(outcome).toMatchObject({ code: '26000' })
})
