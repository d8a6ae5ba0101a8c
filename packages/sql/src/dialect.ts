import type { Lease } from '@forksafe/core'
import type { Rules } from '@forksafe/core/methods'
import type { TransactionOptions } from './options.ts'
import type { Cancel } from './until-aborted.ts'

/** The work of a transaction. If it throws, everything is rolled back. `savepoint` nests. */
export type TransactionWork<R extends object, T> = (
  resource: R,
  savepoint: Savepoint<R>,
) => T | Promise<T>

/**
 * Runs `work` in a savepoint of the transaction, and returns its result. If `work` throws, rolls back to the savepoint and rejects;
 * the transaction goes on. Rejects while another savepoint of the same level is open. Await it before the work around it ends.
 */
export type Savepoint<R extends object> = <T>(work: TransactionWork<R, T>) => Promise<T>

/** What a driver provides for its transactions. */
export interface TransactionDialect<
  R extends object,
  O extends TransactionOptions = TransactionOptions,
> {
  /** Begins the codes of this driver's errors: `'FORKSAFE_PG'` makes `FORKSAFE_PG_COMMIT_UNKNOWN`, and so on. */
  readonly codePrefix: string
  /** The rules of options beyond {@link TransactionOptions}. Default: there are none. */
  readonly options?: Rules
  /** Returns the statements that begin a transaction. {@link modesOf} has the words of standard SQL. */
  begin(options: O): readonly string[]
  /** Sends a statement, and resolves with the server's answer. Rejects with the server's error. */
  run(resource: R, statement: string): Promise<unknown>
  /** Ends the statement that is running, on the server. */
  readonly cancel: Cancel<R>
  /**
   * Returns an error if nothing more can be sent or answered on the resource, for example because `work` left a stream unread or the
   * connection was lost. The transaction rejects with it, and the resource is destroyed. `pool` is the pool's name, for the message.
   * Default: something can always be sent.
   */
  leftOpen?(resource: R, pool: string): Error | undefined
  /**
   * Returns the error to reject with if the server has already rolled back the transaction, and would answer COMMIT with success.
   * Default: COMMIT is sent, and its answer decides.
   */
  alreadyOver?(resource: R, pool: string): Error | undefined
  /**
   * Whether the server itself reports, by this error of COMMIT, that it did not commit. After any other error the outcome is unknown,
   * and the transaction rejects with a `CommitUnknownError`.
   */
  refusesCommit(error: unknown): boolean
  /** Returns why this answer to COMMIT means that the transaction was rolled back, `undefined` if it does not. Default: never. */
  whyRolledBack?(answer: unknown): string | undefined
  /** Whether a transaction that failed with this error may succeed if it is run again from its beginning. */
  isRetried(error: unknown): boolean
  /**
   * Watches the transaction that has just begun on the resource of `lease`. Called after the statements of `begin`, before `work`.
   * Default: nothing is watched, and `work` is trusted not to end the transaction.
   */
  watch?(lease: Lease<R>, pool: string): TransactionWatch
}

/**
 * Whether a transaction is still open, according to the answers so far. `'ended'`: `work` ended it, and may have committed a part.
 * `'unknown'`: the answer to a statement that may have ended it is missing.
 */
export type TransactionOutcome = 'open' | 'ended' | 'unknown'

/** Notices when `work` ends its own transaction, even if it starts another one. */
export interface TransactionWatch {
  /** Whether the transaction that began is still open. */
  readonly outcome: TransactionOutcome
  /** The error behind the outcome `'unknown'`, if the driver knows more than `work` threw. */
  readonly cause?: unknown
  /** From now on, rejects the statements of `work` with `reason`. */
  refuse(reason: unknown): void
  /** Waits for pending answers and asks the server where the outcome depends on it. Called at most once, before `stop`. */
  settle(): Promise<void> | undefined
  /** Stops watching and refusing: what follows is not a statement of `work`. May be called more than once. */
  stop(): void
}
