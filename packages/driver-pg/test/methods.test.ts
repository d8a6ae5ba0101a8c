import { expect, test } from 'vitest'
import { backendPid, connectionTo, observe, openPool } from './support/pools.ts'

test('query takes text, values, a named statement and array rows', async () => {
  const pool = openPool(connectionTo())
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
  expect((await pool.query('SELECT $1::int AS n', [2])).rows).toEqual([{ n: 2 }])
  const named = { name: 'three', text: 'SELECT $1::int AS n', values: [3] }
  expect((await pool.query(named)).rows).toEqual([{ n: 3 }])
  const arrays = await pool.query({ text: 'SELECT $1::int', rowMode: 'array' }, [4])
  expect(arrays.rows).toEqual([[4]])
})

test('a failed query rejects with the error of the server, and the connection goes on', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  await expect(pool.query('SELEKT')).rejects.toMatchObject({ code: '42601' })
  expect(await backendPid(pool)).toBe(pid)
})

test('transaction commits what its work did, and gives its result', async () => {
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

test('transaction rolls back before it rejects with what its work threw', async () => {
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

test('transaction rejects when the server rolled back what should have been committed', async () => {
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
