import { expect, onTestFinished, test } from 'vitest'
import { connectionTo, observe, openPool, running, sessionId, table } from './support/pools.ts'

/** Runs on in the server after its `timeout`, until the test ends. */
async function slow(name: string): Promise<{ sql: string; timeout: number }> {
  onTestFinished(async () => {
    const sessions = await observe<{ id: number }>(
      'SELECT id FROM information_schema.processlist WHERE info LIKE ? AND id <> CONNECTION_ID()',
      [`%${name}%`],
    )
    for (const { id } of sessions) await observe(`KILL ${id}`)
  })
  return { sql: `SELECT SLEEP(600) /* ${name} */`, timeout: 100 }
}

const timedOut = { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }

test('the next caller does not wait for a statement that runs on after its `timeout`', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await expect(pool.query(await slow('waits for nobody'))).rejects.toMatchObject(timedOut)
  expect(await sessionId(pool)).not.toBe(id)
  expect(await running('waits for nobody')).toBe(1)
})

test('a transaction does not wait for it either, and is rolled back', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const undone = await table('undone_by_timeout')
  const statement = await slow('rolled back')
  const transaction = (swallow: boolean): Promise<unknown> =>
    pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${undone} VALUES (1)`)
      const asked = client.query(statement)
      await (swallow ? asked.catch(() => undefined) : asked)
    })
  await expect(transaction(false)).rejects.toMatchObject(timedOut)
  await expect(transaction(true)).rejects.toMatchObject({ code: 'FORKSAFE_MYSQL_ROLLED_BACK' })
  expect((await pool.query(`SELECT n FROM ${undone}`))[0]).toEqual([])
  expect(await running('rolled back')).toBe(2)
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
