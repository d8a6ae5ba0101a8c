import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { expect, test } from 'vitest'
import { backendPid, connectionTo, observe, openPool } from './support/pools.ts'

test('query accepts text, values, a named statement and array rows', async () => {
  const pool = openPool(connectionTo())
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
  expect((await pool.query('SELECT $1::int AS n', [2])).rows).toEqual([{ n: 2 }])
  const named = { name: 'three', text: 'SELECT $1::int AS n', values: [3] }
  expect((await pool.query(named)).rows).toEqual([{ n: 3 }])
  const byName = { name: 'three', values: [3] } as unknown as typeof named
  expect((await pool.query(byName)).rows).toEqual([{ n: 3 }])
  const arrays = await pool.query({ text: 'SELECT $1::int', rowMode: 'array' }, [4])
  expect(arrays.rows).toEqual([[4]])
})

test('a failed query rejects with the error of the server, and the connection stays usable', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  await expect(pool.query('SELEKT')).rejects.toMatchObject({ code: '42601' })
  expect(await backendPid(pool)).toBe(pid)
})

const callback = (): undefined => undefined
test.each<[string, unknown[], string]>([
  ['a cursor', [new Cursor('SELECT 1')], 'expected text or a config, and `use` for anything else'],
  ['a stream', [new QueryStream('SELECT 1')], 'got a cursor, a stream or another query'],
  ['a callback', ['SELECT 1', callback], 'expected no callback'],
  ['a callback behind values', ['SELECT 1', [], callback], 'expected no callback'],
  ['a callback in a config', [{ text: 'SELECT 1', callback }], 'expected a config without'],
  ['nothing', [], 'expected text or a config, got undefined'],
  ['null', [null], 'expected text or a config, got null'],
  ['a number', [5], 'expected text or a config, got a number'],
  ['a function', [callback], 'expected text or a config, got a function'],
  ['an array', [['SELECT 1']], 'expected text or a config, got an array'],
  ['a text that is none', [{ text: 5 }], 'expected `text` to be a string, got a number'],
  ['a config without text', [{ values: [] }], 'expected `text` to be a string, got undefined'],
  ['values that are no array', ['SELECT 1', 'one'], '`values` to be an array, with options'],
  ['the same in a config', [{ text: 'SELECT 1', values: 5 }], 'to be an array'],
  ['options in the place of values', ['SELECT 1', { signal: AbortSignal.abort() }], 'an object'],
  ['an unknown option', ['SELECT 1', [], { timeout: 5 }], 'there is no option `timeout`'],
  ['a wrong signal', ['SELECT 1', [], { signal: 5 }], 'expected `signal` to be an AbortSignal'],
  ['no object of options', ['SELECT 1', [], null], 'expected a plain object of options, got null'],
  ['an array of options', ['SELECT 1', [], []], 'expected a plain object of options, got an array'],
])('query refuses %s, before anything is opened', async (_, given, message) => {
  const pool = openPool(connectionTo(), { name: 'shop' })
  const refused = (pool.query as (...given: unknown[]) => Promise<unknown>)(...given)
  await expect(refused).rejects.toThrow(TypeError)
  await expect(refused).rejects.toThrow('Pool "shop", `query`')
  await expect(refused).rejects.toThrow(message)
  expect(pool.stats.size).toBe(0)
})

test('transaction commits, and returns the result of `work`', async () => {
  const pool = openPool(connectionTo())
  await pool.query('CREATE TABLE committed (n int)')
  const result = await pool.transaction(async (client) => {
    await client.query('INSERT INTO committed VALUES (1)')
    return 'done'
  })
  expect(result).toBe('done')
  expect(await observe('SELECT n FROM committed')).toEqual([{ n: 1 }])
  await pool.query('DROP TABLE committed')
})

test('transaction rolls back before it rejects with the error of `work`', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  await pool.query('CREATE TABLE rolled_back (n int)')
  const failing = pool.transaction(async (client) => {
    await client.query('LOCK TABLE rolled_back')
    await client.query('INSERT INTO rolled_back VALUES (1)')
    throw new Error('changed my mind')
  })
  await expect(failing).rejects.toThrow('changed my mind')
  // Its lock is gone too: nobody has to wait for it.
  const rows = await pool.transaction(async (client) => {
    await client.query("SET LOCAL lock_timeout = '1ms'")
    return (await client.query('SELECT n FROM rolled_back')).rows as unknown[]
  })
  expect(rows).toEqual([])
  await pool.query('DROP TABLE rolled_back')
})

test('transaction rejects if the server has rolled it back', async () => {
  const pool = openPool(connectionTo())
  const swallowed = pool.transaction(async (client) => {
    await client.query('SELECT 1/0').catch(() => undefined)
  })
  await expect(swallowed).rejects.toMatchObject({
    name: 'RolledBackError',
    code: 'FORKSAFE_PG_ROLLED_BACK',
    pool: 'pg',
  })
})
