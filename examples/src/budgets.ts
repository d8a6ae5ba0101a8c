import { createForkSafePool, sharedBudget } from '@forksafe/core'
import { pgBudget, pgDriver, type PgPool } from '@forksafe/driver-pg'

// #region process
/** Two pools of one process, which together open at most 50 connections. */
export function openBoth(orders: string, reports: string): PgPool[] {
  const budget = sharedBudget({ limit: 50 })
  return [orders, reports].map((connection) => createForkSafePool(pgDriver, { connection, budget }))
}
// #endregion

// #region fleet
/** A pool of one of many processes, which together open at most 80 connections. */
export function openOne(connection: string): PgPool {
  const budget = pgBudget({ group: 'app', limit: 80 })
  return createForkSafePool(pgDriver, { connection, max: 20, budget })
}
// #endregion
