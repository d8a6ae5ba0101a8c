import { PoolError } from '@forksafe/core'

/**
 * The connection was lost during COMMIT, or during a statement of `work` that may have committed: only the server can tell
 * whether it did. The error that ended the connection is the `cause`. Never retried.
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

/**
 * `work` ended without an error, but its transaction could not be committed: `work` went on after a failed statement, left a
 * cursor or a COPY open, or went on after its connection was lost.
 */
export class RolledBackError extends PoolError {
  readonly code = 'FORKSAFE_PG_ROLLED_BACK'

  /** @internal */
  constructor(pool: string, why: string) {
    super(pool, `Pool "${pool}": the transaction was rolled back: ${why}.`)
  }
}
RolledBackError.prototype.name = 'RolledBackError'

/**
 * `work` ended its transaction itself, by a COMMIT or a ROLLBACK of its own: a part of it may be committed. What `work` left
 * open after that is rolled back. The `cause` is what `work` threw, or the signal's reason. Never retried.
 */
export class TransactionEndedError extends PoolError {
  readonly code = 'FORKSAFE_PG_TRANSACTION_ENDED'

  /** @internal */
  constructor(pool: string, options?: ErrorOptions) {
    super(
      pool,
      `Pool "${pool}": the transaction had ended before its work did, by a COMMIT or ROLLBACK of its own. What came after that was not part of it.`,
      options,
    )
  }
}
TransactionEndedError.prototype.name = 'TransactionEndedError'

/** Of data, constraints, conflicts, syntax, and of PL/pgSQL: never what ends a session. */
const OF_STATEMENTS = /^(?:22|23|40|42|P0)/

/**
 * Whether the server refused a statement and waits for the next one. A server that speaks another language than English
 * says something else than `ERROR`.
 */
export function isOfStatement(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { severity, code } = error as { readonly severity?: unknown; readonly code?: unknown }
  return severity === 'ERROR' || (typeof severity === 'string' && OF_STATEMENTS.test(String(code)))
}
