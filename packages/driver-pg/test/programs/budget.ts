import { createForkSafePool } from '@forksafe/core'
import { pgBudget, pgDriver, type PgBudgetOptions } from '@forksafe/driver-pg'
import type { ClientConfig } from 'pg'

// A member of a budget with callers that are never idle. It reports each second's worth of answers and each error.

export interface BudgetSettings {
  connection: ClientConfig
  budget: PgBudgetOptions
  max: number
  callers: number
  /** The duration of each query, in seconds. */
  seconds: number
}
export interface BudgetReport {
  served: number
  errors: string[]
}

const { connection, budget, max, callers, seconds } = JSON.parse(
  process.argv[2] ?? '',
) as BudgetSettings
const pool = createForkSafePool(pgDriver, {
  connection,
  max,
  budget: pgBudget(budget),
  acquireTimeoutMillis: 60_000,
})
const report: BudgetReport = { served: 0, errors: [] }
const work = { over: false }

async function call(): Promise<void> {
  while (!work.over) {
    try {
      await pool.query('SELECT pg_sleep($1)', [seconds])
      report.served++
    } catch (error) {
      report.errors.push(String(error))
    }
  }
}

const running = Promise.all(Array.from({ length: callers }, call))

process.on('message', (message) => {
  if (message === 'report') process.send?.(report)
  if (message !== 'stop') return
  work.over = true
  void running
    .then(() => pool.close())
    .then(() => {
      process.send?.(report)
      process.disconnect()
    })
})
