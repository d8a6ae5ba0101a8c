import mysql, { type RowDataPacket } from 'mysql2'
import { describe, expect, test } from 'vitest'
import { type MysqlClient, mysqlDriver, mysqlDriverWith } from '../src/index.ts'
import {
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  rowOf,
  sessionId,
  table,
} from './support/pools.ts'

type Holder = (client: MysqlClient) => Promise<unknown>

/** What the next holder of the same connection finds. */
async function afterwards<T>(left: Holder, look: (client: MysqlClient) => Promise<T>): Promise<T> {
  const pool = openPool(connectionTo(), { max: 1 })
  const before = await sessionId(pool)
  await pool.use(left)
  return pool.use(async (client) => {
    expect(await sessionId(client)).toBe(before)
    return look(client)
  })
}

/** On a busy machine, a connection may be validated before it is lent. */
const PING = Buffer.from([1, 0, 0, 0, 0x0e])

const held = "SELECT IS_USED_LOCK('mine') AS holder"

describe('the next holder finds nothing of', () => {
  test.each<[string, Holder, string, unknown]>([
    [
      'a user variable',
      (client) => client.query('SET @mine = 1'),
      'SELECT @mine AS n',
      { n: null },
    ],
    [
      'a user variable set in passing',
      (client) => client.query('SELECT @mine := 1'),
      'SELECT @mine AS n',
      { n: null },
    ],
    [
      'a variable of the session',
      (client) => client.query('SET SESSION lock_wait_timeout = 1'),
      'SELECT @@lock_wait_timeout = @@global.lock_wait_timeout AS same',
      { same: 1 },
    ],
    [
      'another character set',
      (client) => client.query('SET NAMES latin1'),
      'SELECT @@character_set_client AS client, @@collation_connection AS collation',
      { client: 'utf8mb4', collation: 'utf8mb4_unicode_ci' },
    ],
    [
      'another database',
      (client) => client.query('USE mysql'),
      'SELECT DATABASE() AS name',
      { name: connectionTo().database },
    ],
    [
      'a lock by name',
      (client) => client.query("SELECT GET_LOCK('mine', 0)"),
      held,
      { holder: null },
    ],
    [
      'a lock by name, in SQL that came as a value',
      (client) => client.query('SELECT ?', [mysql.raw("GET_LOCK('mine', 0)")]),
      held,
      { holder: null },
    ],
    [
      'a lock that a prepared statement took',
      (client) => client.execute("SELECT GET_LOCK('mine', ?)", [0]),
      held,
      { holder: null },
    ],
  ])('%s', async (_, left, look, expected) => {
    expect(await afterwards(left, (client) => rowOf(client, look))).toEqual(expected)
  })

  test('a temporary table', async () => {
    const gone = afterwards(
      (client) => client.query('CREATE TEMPORARY TABLE passing (n int)'),
      (client) => client.query('SELECT * FROM passing'),
    )
    await expect(gone).rejects.toMatchObject({ errno: 1146 })
  })

  test('a lock on a table', async () => {
    const locked = await table('locked')
    await afterwards(
      (client) => client.query(`LOCK TABLES ${locked} WRITE`),
      () => observe(`INSERT INTO ${locked} VALUES (1)`),
    )
    expect(await observe(`SELECT n FROM ${locked}`)).toEqual([{ n: 1 }])
  })

  test('a statement prepared by name', async () => {
    const gone = afterwards(
      (client) => client.query("PREPARE mine FROM 'SELECT 1'"),
      (client) => client.query('EXECUTE mine'),
    )
    await expect(gone).rejects.toMatchObject({ errno: 1243 })
  })

  test.each<[string, Holder]>([
    ['an open transaction', (client) => client.query('START TRANSACTION')],
    ['a transaction begun by mysql2', (client) => client.beginTransaction()],
    ['a transaction that it did not wait for', async (client) => void client.query('BEGIN')],
    ['a distributed transaction', (client) => client.query("XA START 'mine'")],
    ['autocommit switched off', (client) => client.query('SET autocommit = 0')],
  ])('%s', async (_, left) => {
    const undone = await table('undone')
    const insert = `INSERT INTO ${undone} VALUES (1)`
    await afterwards(
      async (client) => {
        await left(client)
        await client.query(insert)
      },
      (client) => client.query(`INSERT INTO ${undone} VALUES (2)`),
    )
    expect(await observe(`SELECT n FROM ${undone}`)).toEqual([{ n: 2 }])
  })

  test('an isolation meant for a transaction that never began', async () => {
    const seen = await afterwards(
      (client) => client.query('SET TRANSACTION READ ONLY'),
      async (client) => {
        await client.query('CREATE TEMPORARY TABLE any_transaction (n int)')
        return client.query('INSERT INTO any_transaction VALUES (1)')
      },
    )
    expect(seen[0]).toMatchObject({ affectedRows: 1 })
  })
})

describe('a round trip is not paid', () => {
  test.each<[string, Holder]>([
    ['reads', (client) => client.query('SELECT @@version')],
    ['executes', (client) => client.execute('SELECT ?', [1])],
    [
      'ends its transaction',
      async (client) => {
        await client.query('BEGIN')
        await client.query('SAVEPOINT here')
        await client.query('ROLLBACK TO SAVEPOINT here')
        await client.commit()
      },
    ],
  ])('after a holder that %s', async (_, hold) => {
    const client = await mysqlDriver.create(connectionTo(), {
      signal: new AbortController().signal,
    })
    await hold(client)
    expect(mysqlDriver.reset?.(client)).toBeUndefined()
    await mysqlDriver.destroy(client)
  })
})

describe('prepared statements', () => {
  /** How many the server keeps for this session: no other's, as other tests have theirs. */
  async function countPrepared(client: MysqlClient): Promise<number> {
    const [rows] = await client.query<({ Value: string } & RowDataPacket)[]>(
      "SHOW SESSION STATUS WHERE Variable_name IN ('Com_stmt_prepare', 'Com_stmt_close')",
    )
    const [closed = 0, prepared = 0] = rows.map(({ Value }) => Number(Value))
    return prepared - closed
  }

  test('of a holder are closed when it gives the connection back', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.use(async (client) => {
      await client.execute('SELECT ? AS of_the_holder', [1])
      expect(await countPrepared(client)).toBe(1)
    })
    await pool.query('SELECT 1')
    expect(await pool.use((client) => countPrepared(client))).toBe(0)
  })

  test('are closed also where the holder did not wait for them', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const late = await pool.use((client) => ({ answer: client.execute('SELECT ? AS late', [1]) }))
    await pool.query('SELECT 1')
    expect((await late.answer)[0]).toEqual([{ late: 1 }])
    expect(await pool.use((client) => countPrepared(client))).toBe(0)
  })

  test('of `pool.execute` stay, for whoever executes the same text', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    const text = 'SELECT ? AS kept'
    await pool.execute(text, [1])
    const mark = await proxy.mark()
    expect((await pool.execute(text, [2]))[0]).toEqual([{ kept: 2 }])
    const sent = (await proxy.records({ since: mark })).filter(
      (record) => record.kind === 'data' && record.direction === 'fromClient',
    )
    expect(sent).toHaveLength(1)
    expect(JSON.stringify(sent)).not.toContain('kept')
  })

  test('that a holder closed by itself are prepared anew', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const text = 'SELECT ? AS again'
    await pool.execute(text, [1])
    await pool.use(async (client) => {
      const statement = await client.prepare(text)
      await statement.close()
    })
    expect((await pool.execute(text, [2]))[0]).toEqual([{ again: 2 }])
  })
})

test.each<[string, Holder]>([
  ['logged in as another user', (client) => client.changeUser({ database: 'mysql' })],
  ['took on another role', (client) => client.query('SET /* for now */ ROLE NONE')],
  ['ended the connection', (client) => client.end()],
  [
    'left a stream unread',
    async (client) => {
      const stream = client.connection.query('SELECT seq FROM seq_1_to_1000000').stream()
      await new Promise((resolve) => stream.once('data', resolve))
      stream.pause()
      await expect.poll(() => stream.readableLength).toBeGreaterThanOrEqual(16)
    },
  ],
])('a connection whose holder %s is replaced', async (_, hold) => {
  const pool = openPool(connectionTo(), { max: 1 })
  const before = await sessionId(pool)
  await pool.use(hold)
  expect(await sessionId(pool)).not.toBe(before)
})

test('text is read and written alike after a reset', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.query('SET @mine = 1')
  const [rows] = await pool.query('SELECT ? AS text, LENGTH(?) AS bytes', ['é🎉', 'é🎉'])
  expect(rows).toEqual([{ text: 'é🎉', bytes: 6 }])
})

test('a function’s name may be followed by a space, also after a reset', async () => {
  const spaced = 'SELECT COUNT (*) AS n FROM (SELECT 1) AS one'
  const pool = openPool(connectionTo(), { max: 1 })
  const modes = await rowOf(pool, 'SELECT @@sql_mode')
  expect(await rowOf(pool, spaced)).toEqual({ n: 1 })
  await pool.query('SET @mine = 1')
  expect(await rowOf(pool, spaced)).toEqual({ n: 1 })
  expect(await rowOf(pool, 'SELECT @@sql_mode')).toEqual(modes)
  const strict = openPool({ ...connectionTo(), flags: ['-IGNORE_SPACE'] }, { max: 1 })
  await strict.query("SET sql_mode = 'IGNORE_SPACE'")
  await expect(strict.query(spaced)).rejects.toMatchObject({ errno: 1064 })
})

test('a reset may be asked for whenever a connection comes back', async () => {
  const pool = openPool(connectionTo(), { max: 1 }, mysqlDriverWith({ reset: 'always' }))
  await observe('CREATE FUNCTION set_in_passing() RETURNS int BEGIN SET @mine = 1; RETURN 1; END')
  await pool.query('SELECT set_in_passing()')
  expect(await rowOf(pool, 'SELECT @mine AS n')).toEqual({ n: null })
  await observe('DROP FUNCTION set_in_passing')
})

test.each([
  '/* c */ SELECT 1',
  "SELECT 1 /*traceparent='00-5b',route='/a;b@c'*/",
  '-- c\nSELECT 1',
  '# c\n  ( /* c */ SELECT 1)',
  '/*!50000 SELECT */ 1',
  '/*! SELECT 1 */',
])('%j costs no round trip at release', async (sql) => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  await pool.query('SELECT 1')
  const mark = await proxy.mark()
  await pool.query(sql)
  await pool.query('SELECT 2')
  const sent = (await proxy.records({ since: mark })).filter(
    (record) =>
      record.kind === 'data' && record.direction === 'fromClient' && !record.bytes.equals(PING),
  )
  expect(sent).toHaveLength(2)
})

test('a comment that the server executes is undone', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.query('/*!50000 SET @mine = 1 */')
  await pool.query("SELECT '\\'/*', @mine := 2, '*/'")
  expect(await rowOf(pool, 'SELECT @mine AS n')).toEqual({ n: null })
})
