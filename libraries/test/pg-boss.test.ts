import { inChild } from '@forksafe/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sessionOf } from './support/accounts.ts'
import { describeSince } from './support/lines.ts'

describeSince([22, 12], 'pg-boss', async () => {
  const { boss, pool } = await import('../src/pg-boss.ts')
  boss.on('error', () => undefined)
  beforeAll(async () => {
    await boss.start()
    await boss.createQueue('letters')
  })
  afterAll(async () => {
    await boss.stop({ graceful: false })
    await pool.end()
  })

  const fetched = async (): Promise<unknown[]> =>
    (await boss.fetch('letters', { batchSize: 10 })).map(({ data }) => data)

  test('sends a job in a transaction', async () => {
    const client = await pool.connect()
    const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) }
    await client.query('BEGIN')
    await boss.send('letters', { to: 'ada' }, { db })
    expect(await fetched()).toEqual([])
    await client.query('COMMIT')
    client.release()
    expect(await fetched()).toEqual([{ to: 'ada' }])
  })

  test('does not send a job whose transaction is rolled back', async () => {
    const client = await pool.connect()
    const db = { executeSql: (text: string, values?: unknown[]) => client.query(text, values) }
    await client.query('BEGIN')
    await boss.send('letters', { to: 'nobody' }, { db })
    await client.query('ROLLBACK')
    client.release()
    expect(await fetched()).toEqual([])
  })

  test('a child sends and fetches on its own connections', async () => {
    const parent = await sessionOf(pool)
    const child = await inChild(async () => {
      await boss.send('letters', { to: 'grace' })
      return { letters: await fetched(), session: await sessionOf(pool) }
    })
    expect(child.letters).toEqual([{ to: 'grace' }])
    expect(child.session).not.toBe(parent)
    await boss.send('letters', { to: 'edsger' })
    expect(await fetched()).toEqual([{ to: 'edsger' }])
  })
})
