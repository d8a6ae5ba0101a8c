import fc from 'fast-check'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { classifyStatement } from '../src/share/classify-statement.ts'
import { connectionTo } from './support/pools.ts'

test.each([
  'SELECT 1',
  '  select 1 ; -- done',
  '/* a /* nested */ comment */ SELECT 1;;',
  '((SELECT 1) UNION (SELECT 2)) ORDER BY 1',
  'VALUES (1), (2)',
  'TABLE pg_class',
  `SELECT ';' AS a, "a;b", $$;$$, $x$;$$;$x$, E'\\';', $1`,
  `SELECT '\\d' || 'it''s'`,
  "SELECT substring('abc' FROM 1 FOR 2)",
  'SELECT \'FOR UPDATE\', "into" FROM t',
  "SELECT a.b$1, 1e5, 0x1F, 1_000, .5 FROM t WHERE data->>'x' = '1' AND a @> ARRAY[1]",
])('shares %s', (text) => {
  expect(classifyStatement(text)).toBe('shared')
})

test.each([
  'INSERT INTO t VALUES (1)',
  'INSERT INTO t SELECT * FROM u FOR UPDATE',
  'UPDATE t SET n = 1',
  'DELETE FROM t',
  'MERGE INTO t USING u ON t.n = u.n WHEN MATCHED THEN DELETE',
  'WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x',
  '(WITH x AS (SELECT 1) SELECT * FROM x)',
])('seals %s', (text) => {
  expect(classifyStatement(text)).toBe('sealed')
})

test.each([
  '',
  ';',
  '-- nothing',
  'BEGIN',
  'COMMIT',
  "SET work_mem = '7MB'",
  'LISTEN a',
  'COPY t FROM STDIN',
  'CALL p()',
  'DO $$ BEGIN END $$',
  'EXPLAIN ANALYZE DELETE FROM t',
  'SELECT 1; SELECT 2',
  'SELECT 1;/* */BEGIN',
  '; SELECT 1',
  'SELECT * FROM t FOR UPDATE',
  'SELECT * FROM t for/**/no key update',
  'SELECT * FROM t FOR SHARE OF t',
  'SELECT 1 INTO t',
  'WITH x AS (SELECT 1) SELECT * INTO TEMP t FROM x',
  'INSERT INTO t VALUES (1); BEGIN',
  'SELECT pg_advisory_lock(1)',
  'SELECT pg_catalog.PG_TRY_ADVISORY_LOCK_SHARED(1)',
  'WITH x AS (SELECT pg_advisory_lock(1)) SELECT 1',
  "SELECT set_config('a.b', 'c', false)",
  `SELECT "set_config"('a.b', 'c', false)`,
  `SELECT U&"set\\005fconfig"('a.b', 'c', false)`,
  "UPDATE t SET n = set_config('a.b', 'c', false)",
  `SELECT '\\'; BEGIN; --'`,
  "SELECT 'open",
  'SELECT "open',
  'SELECT $x$ open $$',
  'SELECT /* open /* */',
  'SELECT 1e5$x$ a $x$; BEGIN; SELECT $x$ $x$',
  '\ufeffSELECT 1',
  'SELECT 1 \0',
  'WİTH x AS (SELECT 1) SELECT 1',
])('does not share %s', (text) => {
  expect(classifyStatement(text)).toBe('exclusive')
})

/** Pieces that a lexer can be confused by. */
const piece = fc.constantFrom(
  'SELECT',
  'VALUES',
  '(1)',
  'TABLE pg_am',
  '1',
  "'a'",
  "'",
  "''",
  '"',
  '"a"',
  '$$',
  '$x$',
  '$1',
  'E',
  "E'",
  'U&',
  '\\',
  "\\'",

  ';',
  '--',
  '\n',
  '/*',
  '*/',
  '(',
  ')',
  ',',
  ' ',
  'AS',
  'a',
  'WITH x AS (SELECT 1) SELECT 2',
  'UNION',
  'FOR',
  'UPDATE',
  'INTO',
  'TEMP',
  'b',

  'BEGIN',
  'COMMIT',
  "SET work_mem = '7MB'",
  "set_config('work_mem','7MB',false)",
  'pg_advisory_lock(1)',
  'LISTEN c',
  'PREPARE p AS SELECT 1',
)
const text = fc
  .tuple(
    fc.constantFrom('', 'SELECT ', "SELECT '", 'SELECT $$', 'SELECT 1', '(SELECT 1)', 'SELECT E'),
    fc.array(piece, { maxLength: 12 }),
  )
  .chain(([head, pieces]) => fc.constantFrom(' ', '').map((between) => head + pieces.join(between)))

const STATE = `SELECT current_setting('work_mem') AS memory,
  (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
  (SELECT count(*)::int FROM pg_prepared_statements) AS prepared,
  (SELECT count(*)::int FROM pg_listening_channels()) AS channels,
  (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid)) AS tables`

test.each(['on', 'off'])(
  'with `standard_conforming_strings` %s, a text that is shared or sealed is one statement and leaves the session as it was',
  async (conforming) => {
    const client = new Client(connectionTo())
    await client.connect()
    onTestFinished(() => client.end())
    await client.query(`SET standard_conforming_strings = ${conforming}`)
    const state = async (): Promise<unknown> => (await client.query(STATE)).rows[0]
    const before = await state()
    let succeeded = 0
    await fc.assert(
      fc.asyncProperty(text, async (text) => {
        if (classifyStatement(text) === 'exclusive') return
        const result: unknown = await client.query(text).catch((error: unknown) => error)
        expect(Array.isArray(result)).toBe(false)
        if (!(result instanceof Error)) succeeded++
        await client.query('SELECT 1')
        expect(client.getTransactionStatus()).toBe('I')
        expect(await state()).toEqual(before)
      }),
      { numRuns: 4_000 },
    )
    expect(succeeded).toBeGreaterThan(10)
  },
)

test('what the server takes for several statements, or for none, is never shared', async () => {
  const client = new Client(connectionTo())
  await client.connect()
  onTestFinished(() => client.end())
  await fc.assert(
    fc.asyncProperty(text, text, async (one, other) => {
      const both = `${one};${other}`
      if (classifyStatement(both) === 'exclusive') return
      const result: unknown = await client.query(both).catch((error: unknown) => error)
      expect(Array.isArray(result)).toBe(false)
      expect(result).not.toHaveProperty('command', null)
    }),
    { numRuns: 2_000 },
  )
})
