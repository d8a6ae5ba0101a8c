import {
  AcquireTimeoutError,
  CreateError,
  type DestroyReason,
  PoolClosedError,
} from '@forksafe/core'

/** What pg-pool says, word for word: there are programs that compare it. */
export const says = {
  ended: 'Cannot use a pool after calling end on the pool',
  endedTwice: 'Called end on pool more than once',
  releasedTwice: 'Release called on client which has already been released to the pool.',
  noneInTime: 'timeout exceeded when trying to connect',
  notConnectedInTime: 'Connection terminated due to connection timeout',
  functionFirst: 'Passing a function as the first parameter to pool.query is not supported',
} as const

/** What pg-pool would say instead. `StaleResourceError` stays: pg-pool knows no forks. */
export function inWordsOfPgPool(error: unknown): unknown {
  if (error instanceof CreateError) return error.cause
  if (error instanceof AcquireTimeoutError) return new Error(says.noneInTime, { cause: error })
  if (error instanceof PoolClosedError) return new Error(says.ended, { cause: error })
  return error
}

/** The messages for `log` about clients that end, by the pool's reason. */
export const reasonsToLog: Partial<Record<DestroyReason, readonly string[]>> = {
  idle: ['remove idle client'],
  lifetime: ['ending client due to expired lifetime', 'remove expired client'],
  uses: ['remove expended client'],
}
