import type { Pool, RowDataPacket } from 'mysql2/promise'
import { afterAll, beforeAll } from 'vitest'

/** A table of its own for each library, with one account in it. */
export function useAccounts(pool: Pool, table: string): void {
  beforeAll(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}`)
    await pool.query(`CREATE TABLE ${table} (id int PRIMARY KEY, owner text, balance int)`)
    await pool.query(`INSERT INTO ${table} VALUES (1, 'ada', 100)`)
  })
  // Whoever has ended it already may do so again.
  afterAll(() => pool.end())
}

/** What another session sees of the first account. */
export async function balanceIn(pool: Pool, table: string): Promise<number> {
  const [rows] = await pool.query<RowDataPacket[]>(`SELECT balance FROM ${table} WHERE id = 1`)
  return (rows as [{ balance: number }])[0].balance
}

/** The server's number of the session behind whichever connection is free. */
export async function sessionOf(pool: Pool): Promise<number> {
  const [rows] = await pool.query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id')
  return (rows as [{ id: number }])[0].id
}
