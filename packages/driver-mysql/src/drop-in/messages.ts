import { CreateError, PoolClosedError, QueueFullError } from '@forksafe/core'

/** What the reader of a stream is told whose connection was released and has made no progress while others waited for one. */
export const unanswered =
  'Pool "mysql": expected the rows to be read, or the connection to be kept until they are: it was released, and others waited for it.'

/** What mysql2's pool says, word for word: there are programs that compare it. */
export const says = {
  closed: 'Pool is closed.',
  noneFree: 'No connections available.',
  queueFull: 'Queue limit reached.',
} as const

/** What mysql2's pool would say instead. `StaleResourceError` stays: mysql2 knows no forks. */
export function inWordsOfMysql2(error: unknown, waitForConnections: boolean): unknown {
  if (error instanceof CreateError) return error.cause
  if (error instanceof PoolClosedError) return new Error(says.closed, { cause: error })
  if (!(error instanceof QueueFullError)) return error
  return new Error(waitForConnections ? says.queueFull : says.noneFree, { cause: error })
}
