import { pool } from './pool.ts'
import type { Queryable } from './queryable.ts'

// #region prepared
export async function balanceOf(owner: string): Promise<number | undefined> {
  const { rows } = await pool.query<{ balance: number }>({
    name: 'balance-of',
    text: 'select balance from account where owner = $1',
    values: [owner],
  })
  return rows[0]?.balance
}
// #endregion

// #region tenant
/** Runs `work` as a tenant, which row-level security reads by `current_setting('app.tenant')`. */
export function asTenant<T>(tenant: string, work: (db: Queryable) => Promise<T>): Promise<T> {
  return pool.transaction(async (client) => {
    await client.query("select set_config('app.tenant', $1, true)", [tenant])
    return work(client)
  })
}
// #endregion
