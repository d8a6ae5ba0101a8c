import type { Pool, RowDataPacket } from 'mysql2/promise'
import { afterAll, beforeAll } from 'vitest'

/** Creates a table for a library, with one account. */
export function useAccounts(pool: Pool, table: string): void {
  beforeAll(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}`)
    await pool.query(`CREATE TABLE ${table} (id int PRIMARY KEY, owner text, balance int)`)
    await pool.query(`INSERT INTO ${table} VALUES (1, 'ada', 100)`)
  })
  // A library may already have ended the pool, which may be repeated.
  afterAll(() => pool.end())
}

/** Returns the balance of the first account, as another session sees it. */
export async function balanceIn(pool: Pool, table: string): Promise<number> {
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT balance FROM ${table} WHERE id = 1`)
  return (rows as [{ balance: number }])[0].balance
}

/** Returns the server's id of the session of a free connection. */
export async function sessionOf(pool: Pool): Promise<number> {
  const [rows] = await pool.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id')
  return (rows as [{ id: number }])[0].id
}
