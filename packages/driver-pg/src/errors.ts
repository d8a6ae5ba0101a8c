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

/**
 * `work` has ended, and yet its transaction could not be committed: it had gone on after a failed statement, or left a
 * cursor or a COPY open.
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
 * `work` has ended its transaction itself, by a COMMIT or a ROLLBACK. What it did after that was committed statement by
 * statement.
 */
export class TransactionEndedError extends PoolError {
  readonly code = 'FORKSAFE_PG_TRANSACTION_ENDED'

  /** @internal */
  constructor(pool: string) {
    super(
      pool,
      `Pool "${pool}": the transaction had ended before its work did, by a COMMIT or ROLLBACK of its own. What came after that was not part of it.`,
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
