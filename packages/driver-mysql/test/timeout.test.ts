import { expect, test } from 'vitest'
import { connectionTo, openPool, sessionId, table } from './support/pools.ts'

const slow = { sql: 'SELECT SLEEP(3)', timeout: 100 }
const timedOut = { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }

test('whoever comes after a statement that works on after its `timeout` does not wait for it', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await expect(pool.query(slow)).rejects.toMatchObject(timedOut)
  const start = performance.now()
  expect(await sessionId(pool)).not.toBe(id)
  expect(performance.now() - start).toBeLessThan(2_500)
})

test('a transaction does not wait for it either, and is rolled back', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const undone = await table('undone_by_timeout')
  const start = performance.now()
  const transaction = (swallow: boolean): Promise<unknown> =>
    pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${undone} VALUES (1)`)
      const asked = client.query(slow)
      await (swallow ? asked.catch(() => undefined) : asked)
    })
  await expect(transaction(false)).rejects.toMatchObject(timedOut)
  await expect(transaction(true)).rejects.toMatchObject({ code: 'FORKSAFE_MYSQL_ROLLED_BACK' })
  expect(performance.now() - start).toBeLessThan(2_500)
  expect((await pool.query(`SELECT n FROM ${undone}`))[0]).toEqual([])
})

test('a statement that is answered within its `timeout`, or late but before its connection comes back, keeps that', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await pool.query({ sql: 'SELECT 1', timeout: 5_000 })
  await pool.use(async (client) => {
    const late = client.query({ sql: 'SELECT SLEEP(0.2)', timeout: 20 })
    await expect(late).rejects.toMatchObject(timedOut)
    await client.query('SELECT 1')
  })
  expect(await sessionId(pool)).toBe(id)
})
