import { CreateError, PoolClosedError } from '@forksafe/core'

/** The error of a stream whose connection was released and made no progress while others waited for one. */
export const notReadInTime =
  'Pool "mysql": expected the rows to be read, or the connection to be kept until they are: it was released, and others waited for it.'

/** The messages of mysql2's pool, word for word: some programs compare them. */
export const says = {
  closed: 'Pool is closed.',
  noneFree: 'No connections available.',
  queueFull: 'Queue limit reached.',
} as const

/** Returns the error that mysql2's pool would report. `StaleResourceError` stays: mysql2 knows no forks. */
export function asMysql2Error(error: unknown): unknown {
  if (error instanceof CreateError) return error.cause
  return error instanceof PoolClosedError ? new Error(says.closed, { cause: error }) : error
}
