import { Pool as PgPool, type QueryConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { openPool as openDropIn } from './support/drop-in.ts'
import { connectionTo, observe, openPool } from './support/pools.ts'

// What would fail on the same session for ever: pg.Pool closes the connection, as it does after every error.

interface Pooled {
  query(query: string | QueryConfig): Promise<unknown>
}

const pools: [string, () => Pooled][] = [
  ['pg.Pool', () => openDropIn(PgPool, { max: 1 })],
  ['the drop-in', () => openDropIn(Pool, { max: 1 })],
  ['the pool', () => openPool(connectionTo(), { max: 1 })],
]

/** How often a query fails, by which codes, until it is answered. */
async function failuresOf(pool: Pooled, query: string | QueryConfig): Promise<unknown[]> {
  const codes: unknown[] = []
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      await pool.query(query)
      return codes
    } catch (error) {
      codes.push((error as { code?: unknown }).code)
    }
  }
  return codes
}

describe.each(pools)('on %s, one query fails, and the next is answered, after', (_, open) => {
  const named = { name: 'spoiled', text: 'SELECT * FROM spoiled' }

  async function prepared(): Promise<Pooled> {
    await observe('CREATE TABLE spoiled (n int)')
    onTestFinished(async () => void (await observe('DROP TABLE spoiled')))
    const pool = open()
    await pool.query(named)
    return pool
  }

  test('a column was added to the table of a named statement', async () => {
    const pool = await prepared()
    await observe('ALTER TABLE spoiled ADD COLUMN m int')
    expect(await failuresOf(pool, named)).toEqual(['0A000'])
  })

  test('somebody discarded the named statements', async () => {
    const pool = await prepared()
    await pool.query('DISCARD ALL')
    expect(await failuresOf(pool, named)).toEqual(['26000'])
  })

  test('somebody prepared a statement of the same name', async () => {
    const pool = open()
    await pool.query('PREPARE taken AS SELECT 1')
    expect(await failuresOf(pool, { name: 'taken', text: 'SELECT 2' })).toEqual(['42P05'])
  })

  test('the session began when the server was read-only', async () => {
    const pool = await prepared()
    await pool.query('SET default_transaction_read_only = on')
    expect(await failuresOf(pool, 'INSERT INTO spoiled VALUES (1)')).toEqual(['25006'])
  })
})

test('a session that was spoiled in a transaction is nobody else’s', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const errors: unknown[] = []
  pool.on('hookError', ({ hook, error }) => errors.push([hook, (error as Error).message]))
  const named = { name: 'forgotten', text: 'SELECT 1 AS one' }
  const work = () => pool.transaction(async (client) => (await client.query(named)).rows)
  await work()
  await pool.query('DEALLOCATE ALL')
  await expect(work()).rejects.toMatchObject({ code: '26000' })
  expect(await work()).toEqual([{ one: 1 }])
  expect(errors).toEqual([['reset', expect.stringContaining('"forgotten" does not exist')]])
})

test('what the server does not support otherwise keeps the connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const session = async () => (await pool.query('SELECT pg_backend_pid()')).rows[0] as unknown
  const before = await session()
  const unsupported = pool.query('SELECT 1 GROUP BY 1 FOR UPDATE')
  await expect(unsupported).rejects.toMatchObject({ code: '0A000' })
  expect(await session()).toEqual(before)
})
