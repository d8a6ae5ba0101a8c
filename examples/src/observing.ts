import { subscribe } from 'node:diagnostics_channel'
import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

export const logged: string[] = []
const log = (line: string): void => void logged.push(line)

// #region events
export const pool = createForkSafePool(pgDriver, {
  name: 'orders',
  connection: process.env.DATABASE_URL ?? '',
  max: 2,
  leakDetectionMillis: 200,
})

pool.on('createError', ({ error, failures, retryMillis }) => {
  log(`connect failed ${failures} times, next try in ${retryMillis} ms: ${String(error)}`)
})
pool.on('leak', ({ heldMillis, stack }) => {
  log(`a connection is held for ${Math.round(heldMillis)} ms\n${stack}`)
})
// #endregion

// #region thaw
pool.on('processChange', ({ reason, discarded }) => {
  if (reason === 'thaw') log('the process was frozen')
  else log(`the process has changed (${reason}): ${discarded} connections were discarded`)
})
// #endregion

// #region channel
interface Acquired {
  readonly pool: string
  readonly durationMillis: number
  readonly error?: unknown
}
export const waits: Acquired[] = []
subscribe('forksafe:acquire', (message) => {
  waits.push(message as Acquired)
})
// #endregion

// #region stats
/** Formats the stats for Prometheus. */
export function metrics(): string {
  const { name, idle, borrowed, waiting, creating, max } = pool.stats
  return Object.entries({ idle, borrowed, waiting, creating, max })
    .map(([what, value]) => `pool_${what}{pool="${name}"} ${value}\n`)
    .join('')
}
// #endregion
