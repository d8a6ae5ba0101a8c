import { PoolError } from '@forksafe/core'

/**
 * The connection was lost while a transaction was being committed, or the server could not tell: it may have committed it,
 * or not. What went wrong is the `cause`. Never retried.
 */
export class CommitUnknownError extends PoolError {
  readonly code = 'FORKSAFE_MYSQL_COMMIT_UNKNOWN'

  /** @internal */
  constructor(pool: string, cause: unknown) {
    super(
      pool,
      `Pool "${pool}": there was no certain answer to COMMIT. Whether the transaction was committed is not known.`,
      { cause },
    )
  }
}
CommitUnknownError.prototype.name = 'CommitUnknownError'
