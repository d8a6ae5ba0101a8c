import { PoolError } from '@forksafe/core'

/**
 * The connection was lost during COMMIT, or during a statement of `work` that may commit, such as a CALL; or the server could not
 * tell; or a procedure failed by a deadlock, before which it may have committed. So the transaction may be committed, or not. What
 * went wrong is the `cause`. Never retried.
 */
export class CommitUnknownError extends PoolError {
  readonly code = 'FORKSAFE_MYSQL_COMMIT_UNKNOWN'

  /** @internal */
  constructor(pool: string, cause: unknown) {
    super(
      pool,
      `Pool "${pool}": there was no certain answer to COMMIT, or to a statement that may commit. Whether the transaction was committed is not known.`,
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
 * `work` ended its transaction itself: by a COMMIT or ROLLBACK, by a BEGIN, by a statement that commits implicitly, as most do that
 * change tables, or by a procedure. A part of it may be committed. Later statements were not sent, and what was open is rolled
 * back. The `cause` is what `work` threw, or the signal's reason. Never retried.
 */
export class TransactionEndedError extends PoolError {
  readonly code = 'FORKSAFE_MYSQL_TRANSACTION_ENDED'

  /** @internal */
  constructor(pool: string, options?: ErrorOptions) {
    super(
      pool,
      `Pool "${pool}": the transaction had ended before its work did, by a COMMIT, ROLLBACK or BEGIN of its own, or by a statement that commits by itself, such as CREATE TABLE.`,
      options,
    )
  }
}
TransactionEndedError.prototype.name = 'TransactionEndedError'
