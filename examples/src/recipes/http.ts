import { AcquireTimeoutError, QueueFullError } from '@forksafe/core'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pool } from './pool.ts'

// #region busy
/** Tells whether a request failed because of the pool. */
export function isBusy(error: unknown): boolean {
  return error instanceof QueueFullError || error instanceof AcquireTimeoutError
}

/** Error handler for Express: `app.use(whenBusy)`, after the routes. */
export function whenBusy(
  error: unknown,
  _request: IncomingMessage,
  response: ServerResponse,
  next: (error: unknown) => void,
): void {
  if (!isBusy(error) || response.headersSent) return next(error)
  response.writeHead(503, { 'Retry-After': '5' }).end()
}
// #endregion

// #region ready
export async function ready(): Promise<boolean> {
  try {
    await pool.query('select 1', undefined, { signal: AbortSignal.timeout(1_000) })
    return true
  } catch {
    return false
  }
}
// #endregion
