import type { ForkSafePool, Lease } from '@forksafe/core'
import { anAbortSignal, type Rule, wholeFrom } from '@forksafe/core/methods'
import { transact, useUntilAborted } from '@forksafe/sql'
import type {
  ExecuteValues,
  FieldPacket,
  QueryOptions as Statement,
  QueryResult,
  QueryValues,
  RowDataPacket,
} from 'mysql2'
import { cancel } from './cancel.ts'
import { checkStatement, type Given } from './check-statement.ts'
import type { MysqlClient } from './client.ts'
import { StatementRoom } from './statement-room.ts'
import { rowsOf, type StreamOptions } from './stream.ts'
import { dialect, type TransactionOptions, type TransactionWork } from './transaction.ts'

/** How to run one statement. */
export interface QueryOptions {
  /**
   * When it aborts, the call rejects at once with its `reason`, and the statement is killed on the server. The connection
   * comes back clean, or is closed where the server could not be told. Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

/** What the driver adds to the pool. */
export interface MysqlMethods {
  /**
   * Runs one statement on whichever connection is free. Rejects as `acquire` does, with the server's error, or with the
   * signal's `reason`.
   * @throws {TypeError} for what is no statement, for a callback, and for a wrong or unknown option.
   */
  query<R extends QueryResult = RowDataPacket[]>(
    statement: string | Statement,
    values?: QueryValues,
    options?: QueryOptions,
  ): Promise<[R, FieldPacket[]]>
  /**
   * The same as a prepared statement, which stays prepared on its connection for whoever executes the same text. Rejects as
   * `acquire` does, with the server's error, or with the signal's `reason`.
   * @throws {TypeError} for what is no statement, for a callback, and for a wrong or unknown option.
   */
  execute<R extends QueryResult = RowDataPacket[]>(
    statement: string | Statement,
    values?: ExecuteValues,
    options?: QueryOptions,
  ): Promise<[R, FieldPacket[]]>
  /**
   * Returns rows one at a time: `for await (const row of pool.stream(…))`. Those of all results if there are several, as of a
   * procedure; a result without rows yields nothing. A connection is borrowed when the iteration begins, and released when it ends.
   * Leaving early kills the statement on the server. The iteration rejects like `acquire`, with the server's error, or with the
   * signal's `reason`.
   * @throws {TypeError} at once, for what is no statement, for a callback, and for a wrong or unknown option.
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
   * @throws {TransactionEndedError} when `work` ended it itself, also if it threw or its signal aborted: the `cause`.
   * @throws {CommitUnknownError} when the connection was lost during `COMMIT`, or during a statement of `work` that may commit.
   * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
   */
  transaction<T>(work: TransactionWork<T>, options?: TransactionOptions): Promise<T>
}

/** A pool of connections to MySQL or MariaDB: what `createForkSafePool(mysqlDriver, …)` gives. */
export type MysqlPool = ForkSafePool<MysqlClient> & MysqlMethods

const ofStatements = { signal: anAbortSignal }
const ofStreams = { signal: anAbortSignal, highWaterMark: wholeFrom(0) }

export function mysqlMethods(pool: ForkSafePool<MysqlClient>): MysqlMethods {
  const room = new StatementRoom(pool)

  function check(method: keyof MysqlMethods, rules: Record<string, Rule>, given: Given): void {
    checkStatement(() => `Pool "${pool.stats.name}", \`${method}\``, rules, given)
  }

  function run<T, V>(
    method: 'query' | 'execute',
    given: [statement: string | Statement, values?: V, options?: QueryOptions],
    ask: (lease: Lease<MysqlClient>, statement: Statement, values: V | undefined) => Promise<T>,
  ): Promise<T> {
    const [statement, values, options] = given
    try {
      check(method, ofStatements, [statement, values, options])
    } catch (error) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- it is a TypeError
      return Promise.reject(error)
    }
    const work = (_: MysqlClient, lease: Lease<MysqlClient>): Promise<T> =>
      ask(lease, asOptions(statement), values)
    return options?.signal === undefined
      ? pool.use(work)
      : useUntilAborted(pool, options.signal, cancel, work)
  }

  return {
    query: <R extends QueryResult>(
      ...given: [statement: string | Statement, values?: QueryValues, options?: QueryOptions]
    ) =>
      run('query', given, ({ resource }, statement, values) =>
        resource.query<R>(statement, values),
      ),

    execute: <R extends QueryResult>(
      ...given: [statement: string | Statement, values?: ExecuteValues, options?: QueryOptions]
    ) =>
      run('execute', given, (lease, statement, values) =>
        room.run(lease, (client) => client.execute<R>(statement, values)),
      ),

    stream(statement, values, options) {
      check('stream', ofStreams, [statement, values, options])
      return rowsOf(pool, asOptions(statement), values, options)
    },

    transaction: (work, options) => transact(pool, dialect, work, options),
  }
}

function asOptions(statement: string | Statement): Statement {
  return typeof statement === 'string' ? { sql: statement } : statement
}
