import { AcquireTimeoutError, CreateError, QueueFullError } from '../api/errors.ts'

/** What generic-pool says, word for word: there are programs that compare it. */
export const says = {
  draining: 'pool is draining and cannot accept work',
  full: 'max waitingClients count exceeded',
  late: 'ResourceRequest timed out',
  notLent: 'Resource not currently part of this pool',
} as const

class TimeoutError extends Error {}
TimeoutError.prototype.name = 'TimeoutError'

/** What generic-pool would say instead. `StaleResourceError` stays: generic-pool knows no forks. */
export function inWordsOfGenericPool(error: unknown): unknown {
  if (error instanceof AcquireTimeoutError) return new TimeoutError(says.late, { cause: error })
  if (error instanceof QueueFullError) return new Error(says.full, { cause: error })
  if (error instanceof CreateError) return error.cause
  return error
}
