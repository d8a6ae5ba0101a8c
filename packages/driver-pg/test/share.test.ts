import { pgDriverWith } from '../src/index.ts'
import Cursor from 'pg-cursor'
import { startRecordingProxy } from '@forksafe/testkit'
import { createForkSafePool } from '@forksafe/core'
import { expect, onTestFinished, test } from 'vitest'
import { backendPid, connectionTo, observe, target } from './support/pools.ts'
import { needSharing, openSharingPool } from './support/sharing.ts'

needSharing()

/** A table of its own, gone when the test ends. */
async function createTable(columns: string): Promise<string> {
  const name = `shared_${process.pid}_${Math.random().toString(36).slice(2)}`
  await observe(`CREATE TABLE ${name} (${columns})`)
  onTestFinished(async () => {
    await observe(`DROP TABLE ${name}`)
  })
  return name
}

/** Resolves once this many sessions wait for a lock. */
async function waitForLocks(text: string, count: number): Promise<void> {
  const find = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`
  await expect.poll(async () => (await observe(find, [`%${text}%`])).length).toBe(count)
}

test('10,000 mixed queries each get their own row', async () => {
  const pool = openSharingPool({ max: 3 })
  const table = await createTable('n int PRIMARY KEY')
  const ask = async (n: number): Promise<unknown> => {
    switch (n % 8) {
      case 0:
        return (await pool.query(`SELECT ${n} AS n`)).rows
      case 1:
        return (await pool.query('SELECT $1::int AS n', [n])).rows
      case 2:
        return (await pool.query({ name: 'named', text: 'SELECT $1::int AS n', values: [n] })).rows
      case 3:
        return (await pool.query({ name: `of ${n % 7}`, text: 'VALUES ($1::int)' }, [n])).rows.map(
          ({ column1 }) => ({ n: column1 as unknown }),
        )
      case 4:
        return (await pool.query({ text: 'SELECT $1::int', rowMode: 'array' }, [n])).rows.map(
          ([n]) => ({ n }),
        )
      case 5:
        return (await pool.query(`INSERT INTO ${table} VALUES ($1) RETURNING n`, [n])).rows
      case 6: {
        const error = await pool.query(`SELECT 1 / ($1::int - ${n})`, [n]).catch((error) => error)
        expect(error).toHaveProperty('code', '22012')
        return [{ n }]
      }
      default:
        return (await pool.query(`WITH one AS (SELECT $1::int AS n) SELECT * FROM one`, [n])).rows
    }
  }
  await Promise.all(
    Array.from({ length: 10_000 }, async (_, n) => expect(await ask(n)).toEqual([{ n }])),
  )
  expect(await observe(`SELECT count(*)::int FROM ${table}`)).toEqual([{ count: 1_250 }])
  expect(pool.stats).toMatchObject({ inFlight: 0, shared: 0, size: 3, borrowed: 0 })
})

test('with an artificial delay, statements of many callers are on their way at once', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const pool = openSharingPool({ connection: connectionTo({ proxy }), max: 1 })
  await pool.query('SELECT 1')
  await proxy.hold({ direction: 'fromServer' })
  const mark = await proxy.mark()
  const answers = Promise.all(
    Array.from({ length: 40 }, async (_, n) => pool.query('SELECT $1::int AS n', [n])),
  )
  const sent = async () => {
    const records = await proxy.records({ since: mark })
    const bytes = Buffer.concat(records.flatMap((r) => (r.kind === 'data' ? [r.bytes] : [])))
    return bytes.toString('latin1').split('SELECT $1').length - 1
  }
  await expect.poll(sent).toBe(16)
  expect(pool.stats).toMatchObject({ inFlight: 16, waiting: 24, shared: 1 })
  await proxy.resume()
  expect((await answers).map(({ rows }) => rows)).toEqual(
    Array.from({ length: 40 }, (_, n) => [{ n }]),
  )
})

test('without sharing, one statement at a time is sent on a connection', async () => {
  const connection = connectionTo()
  for (const pool of [
    createForkSafePool(pgDriverWith({ share: false }), { connection, max: 1 }),
    createForkSafePool(pgDriverWith({ share: 'reads' }), { connection, max: 1, maxInFlight: 1 }),
  ]) {
    const answers = Array.from({ length: 20 }, (_, n) => pool.query('SELECT $1::int AS n', [n]))
    let most = 0
    for (const answer of answers) {
      await answer
      most = Math.max(most, pool.stats.borrowed + pool.stats.inFlight)
    }
    expect(most).toBeLessThanOrEqual(2)
    expect(pool.stats.shared).toBe(0)
    await pool.close()
  }
})

test('an error after rows fails one statement, and the next result is complete', async () => {
  const pool = openSharingPool({ max: 1 })
  const failing = 'SELECT 100 / (50 - n) FROM generate_series(1, 99) AS n'
  const complete = 'SELECT n FROM generate_series(1, 1000) AS n'
  for (let turn = 0; turn < 20; turn++) {
    const [failed, next, again, last] = await Promise.allSettled([
      pool.query(failing),
      pool.query(complete),
      pool.query(failing, []),
      pool.query(complete),
    ])
    for (const outcome of [failed, again]) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: '22012' } })
    }
    for (const outcome of [next, last]) {
      expect(outcome).toMatchObject({ status: 'fulfilled', value: { rowCount: 1_000 } })
    }
  }
  expect(pool.stats.size).toBe(1)
})

test('a named statement that cannot be prepared fails with its own error for each caller', async () => {
  const pool = openSharingPool({ max: 1 })
  const pid = await backendPid(pool)
  const statement = { name: 'broken', text: 'SELECT missing_column, $1::int' }
  const good = { name: 'good', text: 'SELECT $1::int AS n' }
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, n) => pool.query(n % 3 === 0 ? good : statement, [n])),
  )
  for (const [n, outcome] of outcomes.entries()) {
    if (n % 3 === 0) expect(outcome).toMatchObject({ value: { rows: [{ n }] } })
    else expect(outcome).toMatchObject({ reason: { code: '42703' } })
  }
  expect(await backendPid(pool)).toBe(pid)
})

test('a value that cannot be converted fails its caller only', async () => {
  const pool = openSharingPool({ max: 1 })
  const pid = await backendPid(pool)
  const thrown = new Error('no such value')
  const bad = {
    toPostgres: () => {
      throw thrown
    },
  }
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const statement = { name: 'echo', text: 'SELECT $1::text AS n' }
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) => {
      const value = n % 4 === 1 ? bad : n % 4 === 3 ? circular : String(n)
      return n % 8 < 4 ? pool.query(statement, [value]) : pool.query(statement.text, [value])
    }),
  )
  for (const [n, outcome] of outcomes.entries()) {
    if (n % 2 === 0) expect(outcome).toMatchObject({ value: { rows: [{ n: String(n) }] } })
    else if (n % 4 === 1) expect(outcome).toMatchObject({ reason: thrown })
    else expect(outcome).toMatchObject({ reason: { name: 'TypeError' } })
  }
  expect(await backendPid(pool)).toBe(pid)
})

test('one name for two statements fails the second caller only', async () => {
  const pool = openSharingPool({ max: 1 })
  const ask = (text: string) => pool.query({ name: 'twice', text })
  const outcomes = await Promise.allSettled(
    ['SELECT 1 AS n', 'SELECT 2 AS n', 'SELECT 1 AS n', 'SELECT 2 AS n'].map(ask),
  )
  const one = { value: { rows: [{ n: 1 }] } }
  const refused = { reason: { message: expect.stringMatching('must be unique') as string } }
  expect(outcomes).toMatchObject([one, refused, one, refused])
  expect((await ask('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
})

test('BEGIN or SET through `query` affects nobody else', async () => {
  const pool = openSharingPool({ max: 2, driver: { resetQuery: 'RESET ALL' } })
  const texts = [
    'BEGIN',
    "SET work_mem = '7MB'",
    'SELECT 1; BEGIN',
    "SELECT 1; SET work_mem = '9MB'",
  ]
  const readers = Array.from({ length: 400 }, async (_, n) => {
    if (n % 40 === 0) await pool.query(texts[(n / 40) % texts.length] as string)
    const text = "SELECT current_setting('work_mem') AS memory, $1::int AS n"
    return (await pool.query(text, [n])).rows
  })
  for (const [n, rows] of (await Promise.all(readers)).entries()) {
    expect(rows).toEqual([{ memory: '4MB', n }])
  }
})

test('a transaction whose work queries the pool ends, although those queries wait for its lock', async () => {
  const pool = openSharingPool({ max: 3 })
  const table = await createTable('id int PRIMARY KEY, n int')
  await pool.query(`INSERT INTO ${table} VALUES (1, 0)`)
  const increment = `UPDATE ${table} SET n = n + 1 WHERE id = 1`
  const over = new AbortController()
  const load = Array.from({ length: 40 }, async () => {
    while (!over.signal.aborted) await pool.query('SELECT 1')
  })
  for (let turn = 0; turn < 3; turn++) {
    let waiting: Promise<unknown> | undefined
    await pool.transaction(async (client) => {
      await client.query(increment)
      waiting = pool.query(increment)
      await waitForLocks(increment, 1)
      for (let n = 0; n < 50; n++) {
        expect((await pool.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }])
      }
    })
    await waiting
  }
  over.abort()
  await Promise.all(load)
  expect((await pool.query(`SELECT n FROM ${table}`)).rows).toEqual([{ n: 6 }])
})

test('a slow statement delays nobody for whom another connection is free', async () => {
  const pool = openSharingPool({ max: 2 })
  const asleep = 'SELECT pg_sleep($1)'
  // The pool learns that it is slow.
  await pool.query(asleep, [0.1])
  const slow = pool.query(asleep, [3600]).catch((error: unknown) => error)
  const answers = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => (await pool.query('SELECT $1::int AS n', [n])).rows),
  )
  expect(answers).toEqual(Array.from({ length: 40 }, (_, n) => [{ n }]))
  const from = performance.now()
  await pool.close({ deadlineMillis: 0 })
  // Not the five seconds of `destroyTimeoutMillis`.
  expect(performance.now() - from).toBeLessThan(4_000)
  expect(await slow).toBeInstanceOf(Error)
})

test('cursors, COPY and row-wise queries have a connection to themselves', async () => {
  const pool = openSharingPool({ max: 2 })
  const over = new AbortController()
  const load = Array.from({ length: 20 }, async (_, n) => {
    while (!over.signal.aborted)
      expect((await pool.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }])
  })
  await pool.use(async (client) => {
    expect(client).toHaveProperty('pipeline', false)
    const cursor = client.query(new Cursor('SELECT generate_series(1, 300) AS n'))
    let read = 0
    for (let rows = await cursor.read(100); rows.length > 0; rows = await cursor.read(100))
      read += rows.length
    expect(read).toBe(300)
    await cursor.close()
  })
  const row = { text: 'SELECT generate_series(1, 30) AS n', rows: 10 }
  expect((await pool.query(row)).rows).toHaveLength(30)
  await expect(pool.query('COPY pg_class FROM STDIN')).rejects.toThrow('No source stream defined')
  await expect(pool.query(new Cursor('SELECT 1') as never)).rejects.toThrow('a cursor')
  over.abort()
  await Promise.all(load)
})

test('the end of a connection rejects every statement on it, and none is repeated', async () => {
  const pool = openSharingPool({ max: 1, driver: { share: 'statements' } })
  const table = await createTable('n int')
  const pid = await backendPid(pool)
  const settled = Promise.allSettled([
    ...Array.from({ length: 5 }, (_, n) => pool.query(`INSERT INTO ${table} VALUES ($1)`, [n])),
    pool.query('SELECT pg_sleep(3600)'),
    ...Array.from({ length: 5 }, (_, n) =>
      pool.query(`INSERT INTO ${table} VALUES ($1)`, [10 + n]),
    ),
  ])
  const asleep = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%'`
  await expect.poll(() => observe(asleep, [pid])).toHaveLength(1)
  await observe('SELECT pg_terminate_backend($1)', [pid])
  const outcomes = (await settled).map(({ status }) => status)
  expect(outcomes).toEqual([
    ...Array.from({ length: 5 }, () => 'fulfilled'),
    ...Array.from({ length: 6 }, () => 'rejected'),
  ])
  expect(await observe(`SELECT n FROM ${table} ORDER BY n`)).toEqual(
    [0, 1, 2, 3, 4].map((n) => ({ n })),
  )
  expect(await backendPid(pool)).not.toBe(pid)
  expect(pool.stats).toMatchObject({ inFlight: 0, size: 1 })
})

test('large values do not pile up in the socket', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const connection = connectionTo({ proxy })
  const pool = openSharingPool({ connection, max: 2 })
  await pool.query('SELECT 1')
  await proxy.hold()
  const value = Buffer.alloc(1_000_000)
  const answers = Array.from({ length: 96 }, () =>
    pool.query('SELECT length($1::bytea) AS n', [value]),
  )
  await expect.poll(() => pool.stats.inFlight).toBeGreaterThan(0)
  await new Promise((resolve) => setImmediate(resolve))
  expect(pool.stats.inFlight).toBeLessThanOrEqual(8)
  await proxy.resume()
  for (const answer of answers) expect((await answer).rows).toEqual([{ n: 1_000_000 }])
})

test('close, recycle and the end of a lifetime wait for statements in flight', async () => {
  for (const end of ['close', 'recycle', 'maxUses'] as const) {
    const pool = openSharingPool({ max: 1, ...(end === 'maxUses' ? { maxUses: 3 } : {}) })
    const before = await backendPid(pool)
    const slow = pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid, pg_sleep(0.2)')
    const behind = pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const later = end === 'close' ? undefined : pool.query('SELECT 1')
    const closed = end === 'close' ? pool.close() : undefined
    if (end === 'recycle') pool.recycle()
    const pids = (await Promise.all([slow, behind])).map(({ rows }) => rows[0]?.pid)
    expect(pids).toEqual([before, before])
    await later
    await closed
    if (end !== 'close') expect(await backendPid(pool)).not.toBe(before)
  }
})

test('a signal, a query timeout and `share: false` have a connection to themselves', async () => {
  const pool = openSharingPool({ max: 3 })
  await pool.query('SELECT 1')
  const aborter = new AbortController()
  const asleep = 'SELECT pg_sleep(3600) AS of_one_caller'
  const aborted = pool.query(asleep, [], { signal: aborter.signal })
  expect(pool.stats).toMatchObject({ shared: 0 })
  const alone = pool.query('SELECT 1', [], { share: false })
  expect(pool.stats).toMatchObject({ shared: 0 })
  const late = { text: 'SELECT pg_sleep(3600)', query_timeout: 50 }
  const timedOut = pool.query(late)
  const load = Array.from({ length: 50 }, (_, n) => pool.query('SELECT $1::int AS n', [n]))
  await expect(timedOut).rejects.toThrow('Query read timeout')
  aborter.abort()
  await expect(aborted).rejects.toBe(aborter.signal.reason)
  await alone
  for (const [n, answer] of load.entries()) expect((await answer).rows).toEqual([{ n }])
})

test('a client with a query timeout of its own is not shared', async () => {
  const pool = openSharingPool({ connection: { ...connectionTo(), query_timeout: 10_000 }, max: 1 })
  const answers = Array.from({ length: 5 }, (_, n) => pool.query('SELECT $1::int AS n', [n]))
  await answers[0]
  expect(pool.stats.shared).toBe(0)
  for (const [n, answer] of answers.entries()) expect((await answer).rows).toEqual([{ n }])
})

test('wrong options are refused', async () => {
  expect(() => pgDriverWith({ share: 'writes' as never })).toThrow("'reads', 'statements' or false")
  const pool = openSharingPool()
  await expect(pool.query('SELECT 1', [], { share: 1 as never })).rejects.toThrow('true or false')
})

test('the stack of an error leads to the caller', async () => {
  const pool = openSharingPool({ max: 1 })
  async function theCaller(): Promise<void> {
    await pool.query('SELECT nothing')
  }
  const error: unknown = await theCaller().catch((error: unknown) => error)
  expect((error as Error).stack).toMatch(/at (async )?theCaller /)
})
