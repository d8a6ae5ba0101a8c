import { PoolError } from '@forksafe/core'
import type { TransactionOutcome } from './dialect.ts'

/**
 * It is unknown whether the transaction was committed: there was no certain answer to COMMIT, or to a statement of `work` that may
 * have committed. The `cause` is the error that hides the answer. Never retried.
 */
export class CommitUnknownError extends PoolError {
  /** `FORKSAFE_PG_COMMIT_UNKNOWN` or `FORKSAFE_MYSQL_COMMIT_UNKNOWN`; other drivers have prefixes of their own. */
  readonly code: `${string}_COMMIT_UNKNOWN`

  /** Creates the error for the pool named `pool`. `codePrefix` is the one of the {@link TransactionDialect}. */
  constructor(pool: string, codePrefix: string, options?: ErrorOptions) {
    super(
      pool,
      `Pool "${pool}": there was no certain answer to COMMIT, or to a statement that may commit. Whether the transaction was committed is not known.`,
      options,
    )
    this.code = `${codePrefix}_COMMIT_UNKNOWN`
  }
}
CommitUnknownError.prototype.name = 'CommitUnknownError'

/**
 * `work` ended without an error, but nothing of its transaction is committed: the server had rolled it back, or `work` went on after
 * a failed statement or a lost connection, or left a cursor or stream open. The server's error, if there is one, is the `cause`.
 */
export class RolledBackError extends PoolError {
  /** `FORKSAFE_PG_ROLLED_BACK` or `FORKSAFE_MYSQL_ROLLED_BACK`; other drivers have prefixes of their own. */
  readonly code: `${string}_ROLLED_BACK`

  /** Creates the error for the pool named `pool`. `why` ends the message, without a full stop. */
  constructor(pool: string, codePrefix: string, why: string, options?: ErrorOptions) {
    super(pool, `Pool "${pool}": the transaction was rolled back: ${why}.`, options)
    this.code = `${codePrefix}_ROLLED_BACK`
  }
}
RolledBackError.prototype.name = 'RolledBackError'

/**
 * `work` ended its transaction itself, by COMMIT, ROLLBACK, or another statement that ends transactions. A part of it may be
 * committed. What `work` left open after that is rolled back. The `cause` is what `work` threw, or the signal's reason. Never retried.
 */
export class TransactionEndedError extends PoolError {
  /** `FORKSAFE_PG_TRANSACTION_ENDED` or `FORKSAFE_MYSQL_TRANSACTION_ENDED`; other drivers have prefixes of their own. */
  readonly code: `${string}_TRANSACTION_ENDED`

  /** Creates the error for the pool named `pool`. `codePrefix` is the one of the {@link TransactionDialect}. */
  constructor(pool: string, codePrefix: string, options?: ErrorOptions) {
    super(
      pool,
      `Pool "${pool}": the transaction had ended before its work did, by a COMMIT, a ROLLBACK or another statement of its own. A part of it may be committed.`,
      options,
    )
    this.code = `${codePrefix}_TRANSACTION_ENDED`
  }
}
TransactionEndedError.prototype.name = 'TransactionEndedError'

/**
 * Returns the error that reports an outcome other than `'open'`: a `TransactionEndedError` or a `CommitUnknownError`. Returns the
 * `cause` itself if it already is one of these.
 */
export function outcomeError(
  outcome: Exclude<TransactionOutcome, 'open'>,
  pool: string,
  codePrefix: string,
  options?: ErrorOptions,
): Error {
  const cause = options?.cause
  if (cause instanceof TransactionEndedError || cause instanceof CommitUnknownError) return cause
  const Reported = outcome === 'ended' ? TransactionEndedError : CommitUnknownError
  return new Reported(pool, codePrefix, options)
}
