import { type ForkSafePool, PoolError } from '@forksafe/core'
import { transact, useUntilAborted } from '@forksafe/sql'
import type {
  Client,
  QueryArrayConfig,
  QueryArrayResult,
  QueryConfig,
  QueryResult,
  QueryResultRow,
} from 'pg'
import { cancel } from './cancel.ts'
import { checkQuery } from './check-query.ts'
import { shareableOf, type ShareableStatement } from './share/request.ts'
import type { ShareMode } from './share/share-mode.ts'
import { send } from './share/sharing.ts'
import { dialect, type TransactionOptions, type TransactionWork } from './transaction.ts'

/** How to run one statement. */
export interface QueryOptions {
  /**
   * When it aborts, `query` rejects at once with its `reason`, and the statement is cancelled on the server. If that has not
   * ended within 3 seconds, the connection is closed without a goodbye.
   */
  readonly signal?: AbortSignal | undefined
  /**
   * With `false`, the statement has a connection to itself, although the driver's option `share` would let it share one. Default: `true`.
   */
  readonly share?: boolean | undefined
}

/** What the driver adds to the pool. */
export interface PgMethods {
  /**
   * Runs one statement on whichever connection is free. Rejects as `acquire` does, with the server's error, or with the signal's
   * `reason`.
   * @throws {TypeError} for a cursor or a stream, for which there is `use`; for a callback; for what is no text, no array of
   * values, or a wrong or unknown option.
   */
  query<R extends unknown[] = unknown[]>(
    config: QueryArrayConfig,
    values?: unknown[],
    options?: QueryOptions,
  ): Promise<QueryArrayResult<R>>
  /**
   * Runs one statement on whichever connection is free. Rejects as `acquire` does, with the server's error, or with the signal's
   * `reason`.
   * @throws {TypeError} for a cursor or a stream, for which there is `use`; for a callback; for what is no text, no array of
   * values, or a wrong or unknown option.
   */
  query<R extends QueryResultRow = QueryResultRow>(
    textOrConfig: string | QueryConfig,
    values?: unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>
  /**
   * Runs `work` on one connection between `BEGIN` and `COMMIT`, and gives its result. What `work` throws rolls back. Rejects as
   * `acquire` does, with what `work` throws, or with the signal's `reason`.
   * @throws {RolledBackError} when `work` went on after a failed statement or a lost connection, or left a cursor or a COPY open.
   * @throws {CommitUnknownError} when the connection was lost during `COMMIT`, or during a COMMIT of `work`.
   * @throws {TransactionEndedError} when `work` ended the transaction itself, also if it threw or its signal aborted: the `cause`.
   * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
   */
  transaction<T>(work: TransactionWork<T>, options?: TransactionOptions): Promise<T>
}

/** A pool of PostgreSQL's connections: what `createForkSafePool(pgDriver, …)` gives. */
export type PgPool = ForkSafePool<Client> & PgMethods

export function pgMethods(pool: ForkSafePool<Client>, mode: ShareMode | false): PgMethods {
  return {
    query(textOrConfig: string | QueryConfig, values?: unknown[], options?: QueryOptions) {
      try {
        checkQuery(pool, textOrConfig, values, options)
      } catch (error) {
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- it is a TypeError
        return Promise.reject(error)
      }
      if (mode !== false && options?.share !== false && options?.signal === undefined) {
        const statement = shareableOf(textOrConfig, values, mode)
        if (statement !== undefined) return shareStatement(pool, statement)
      }
      const ask = (client: Client): Promise<QueryResult> => client.query(textOrConfig, values)
      return options?.signal === undefined
        ? pool.use(ask)
        : useUntilAborted(pool, options.signal, cancel, ask)
    },

    transaction: (work, options) => transact(pool, dialect, work, options),
  }
}

async function shareStatement(
  pool: ForkSafePool<Client>,
  statement: ShareableStatement,
): Promise<QueryResult> {
  const { seal, text: key } = statement
  try {
    return await pool.share((client) => send(client, statement), { key, seal })
  } catch (error) {
    // As in pg, the stack leads to the caller, and not to the socket.
    if (error instanceof Error && !(error instanceof PoolError)) Error.captureStackTrace(error)
    throw error
  }
}
