import type { ForkSafePool } from '@forksafe/core'
import { useUntilAborted } from '@forksafe/core/methods'
import type {
  ExecuteValues,
  FieldPacket,
  QueryOptions as Statement,
  QueryResult,
  QueryValues,
  RowDataPacket,
} from 'mysql2'
import { cancel } from './cancel.ts'
import type { MysqlClient } from './client.ts'
import { sessionOf } from './session.ts'
import { rowsOf, type StreamOptions } from './stream.ts'
import { transact, type TransactionOptions, type TransactionWork } from './transaction.ts'

/** How to run one statement. */
export interface QueryOptions {
  /**
   * When it aborts, the call rejects at once with its reason, and the statement is killed on the server. The connection
   * comes back clean.
   */
  readonly signal?: AbortSignal | undefined
}

/** What the driver adds to the pool. */
export interface MysqlMethods {
  /** Runs one statement on whichever connection is free. Rejects as `acquire` does, or with the server's error. */
  query<R extends QueryResult = RowDataPacket[]>(
    statement: string | Statement,
    values?: QueryValues,
    options?: QueryOptions,
  ): Promise<[R, FieldPacket[]]>
  /** The same as a prepared statement, which stays prepared on its connection for whoever executes the same text. */
  execute<R extends QueryResult = RowDataPacket[]>(
    statement: string | Statement,
    values?: ExecuteValues,
    options?: QueryOptions,
  ): Promise<[R, FieldPacket[]]>
  /**
   * Rows, as they come, to be iterated over: `for await (const row of pool.stream(…))`. A connection is borrowed when the
   * iteration begins, and given back when it ends; leave it early and the statement is killed on the server.
   */
  stream<R extends RowDataPacket = RowDataPacket>(
    statement: string | Statement,
    values?: QueryValues,
    options?: StreamOptions,
  ): AsyncGenerator<R, void, undefined>
  /**
   * Runs `work` on one connection between `START TRANSACTION` and `COMMIT`, and gives its result. What `work` throws rolls
   * back. Rejects as `acquire` does, with what `work` throws, or with the signal's `reason`.
   * @throws {RolledBackError} when the server had rolled back all of it, as after a deadlock, and `work` went on; or when
   * `work` left a stream open.
   * @throws {TransactionEndedError} when `work` ended it itself.
   * @throws {CommitUnknownError} when the connection was lost during `COMMIT`.
   * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
   */
  transaction<T>(work: TransactionWork<T>, options?: TransactionOptions): Promise<T>
}

export function mysqlMethods(pool: ForkSafePool<MysqlClient>): MysqlMethods {
  const run = <T>(ask: (client: MysqlClient) => Promise<T>, options?: QueryOptions): Promise<T> =>
    options?.signal === undefined
      ? pool.use(ask)
      : useUntilAborted(pool, options.signal, cancel, ask)

  return {
    query: <R extends QueryResult>(
      statement: string | Statement,
      values?: QueryValues,
      options?: QueryOptions,
    ) => run((client) => client.query<R>(asOptions(statement), values), options),

    execute: <R extends QueryResult>(
      statement: string | Statement,
      values?: ExecuteValues,
      options?: QueryOptions,
    ) =>
      run(async (client) => {
        try {
          return await client.execute<R>(asOptions(statement), values)
        } finally {
          sessionOf(client).keepStatements()
        }
      }, options),

    stream: (statement, values, options) => rowsOf(pool, statement, values, options),

    transaction: (work, options) => transact(pool, work, options),
  }
}

function asOptions(statement: string | Statement): Statement {
  return typeof statement === 'string' ? { sql: statement } : statement
}
