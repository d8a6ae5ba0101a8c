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

/**
 * The server had rolled back all of the transaction before `work` was done with it, after a deadlock, say; or `work` left a
 * stream open. The server's error, where there is one, is the `cause`. Retried where that is.
 */
export class RolledBackError extends PoolError {
  readonly code = 'FORKSAFE_MYSQL_ROLLED_BACK'

  /** @internal */
  constructor(pool: string, why: string, options?: ErrorOptions) {
    super(pool, `Pool "${pool}": the transaction was rolled back: ${why}.`, options)
  }
}
RolledBackError.prototype.name = 'RolledBackError'

/**
 * `work` had ended its transaction itself: by a COMMIT, a ROLLBACK, or a statement that commits by itself, as most of those do
 * that change tables. What came after it was not sent.
 */
export class TransactionEndedError extends PoolError {
  readonly code = 'FORKSAFE_MYSQL_TRANSACTION_ENDED'

  /** @internal */
  constructor(pool: string) {
    super(
      pool,
      `Pool "${pool}": the transaction had ended before its work did, by a COMMIT or ROLLBACK of its own, or by a statement that commits by itself, such as CREATE TABLE.`,
    )
  }
}
TransactionEndedError.prototype.name = 'TransactionEndedError'
