import { AcquireTimeoutError, CreateError, QueueFullError } from '../api/errors.ts'

/** generic-pool's messages, verbatim, because programs compare them. */
export const says = {
  draining: 'pool is draining and cannot accept work',
  full: 'max waitingClients count exceeded',
  late: 'ResourceRequest timed out',
  notLent: 'Resource not currently part of this pool',
} as const

class TimeoutError extends Error {}
TimeoutError.prototype.name = 'TimeoutError'

/** Returns the error that generic-pool would throw. Keeps `StaleResourceError`, which has no counterpart there. */
export function inWordsOfGenericPool(error: unknown): unknown {
  if (error instanceof AcquireTimeoutError) return new TimeoutError(says.late, { cause: error })
  if (error instanceof QueueFullError) return new Error(says.full, { cause: error })
  if (error instanceof CreateError) return error.cause
  return error
}
