import type { Pool } from '@forksafe/driver-pg'
import { afterAll, beforeAll } from 'vitest'

/** Creates a table for a library, with one account. */
export function useAccounts(pool: Pool, table: string): void {
  beforeAll(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}`)
    await pool.query(`CREATE TABLE ${table} (id int PRIMARY KEY, owner text, balance int)`)
    await pool.query(`INSERT INTO ${table} VALUES (1, 'ada', 100)`)
  })
  afterAll(async () => {
    if (!pool.ending) await pool.end()
  })
}

/** Returns the balance of the first account, as another session sees it. */
export async function balanceIn(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query(`SELECT balance FROM ${table} WHERE id = 1`)
  return (rows as [{ balance: number }])[0].balance
}

/** Returns the server's pid of the session of a free connection. */
export async function sessionOf(pool: Pool): Promise<number> {
  const { rows } = await pool.query('SELECT pg_backend_pid() AS pid')
  return (rows as [{ pid: number }])[0].pid
}
