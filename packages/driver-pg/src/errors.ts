import { PoolError } from '@forksafe/core'

/**
 * The connection was lost while a transaction was being committed: the server may have committed it, or not, and only
 * it can tell. What ended the connection is the `cause`. Never retried.
 */
export class CommitUnknownError extends PoolError {
  readonly code = 'FORKSAFE_PG_COMMIT_UNKNOWN'

  /** @internal */
  constructor(pool: string, cause: unknown) {
    super(
      pool,
      `Pool "${pool}": the connection was lost during COMMIT. Whether the transaction was committed is not known.`,
      { cause },
    )
  }
}
CommitUnknownError.prototype.name = 'CommitUnknownError'
