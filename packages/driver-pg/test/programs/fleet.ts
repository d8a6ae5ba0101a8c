import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import type { ClientConfig } from 'pg'

// One of many programs that share a server: it asks for so many answers, tells how that went, and ends.

export interface FleetSettings {
  connection: ClientConfig
  options: object
  callers: number
  turns: number
}
export interface FleetReport {
  right: number
  errors: string[]
  /** How often there was no room for another connection. */
  full: number
}

const { connection, options, callers, turns } = JSON.parse(process.argv[2] ?? '') as FleetSettings
const pool = createForkSafePool(pgDriver, { connection, ...options })
const report: FleetReport = { right: 0, errors: [], full: 0 }
pool.on('createError', ({ kind }) => {
  if (kind === 'full') report.full++
})

async function caller(number: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const tag = `${process.pid}/${number}/${turn}`
    try {
      const { rows } = await pool.query<{ tag: string }>('SELECT $1 AS tag, pg_sleep(0.003)', [tag])
      if (rows[0]?.tag === tag) report.right++
    } catch (error) {
      report.errors.push(String(error))
    }
  }
}

async function run(): Promise<void> {
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)))
  await pool.close()
  process.send?.(report)
  process.disconnect()
}

void run()
