import type { ForkSafePool } from '@forksafe/core'
import {
  type Savepoint as SavepointOf,
  transact as transactBy,
  type TransactionDialect,
} from '@forksafe/core/methods'
import { beginOf } from './begin.ts'
import { cancel } from './cancel.ts'
import type { MysqlClient } from './client.ts'
import { CommitUnknownError } from './errors.ts'
import { sessionOf } from './session.ts'

/** How a transaction begins, and what becomes of it when it fails. */
export interface TransactionOptions {
  /** Default: the server's `transaction_isolation`. */
  readonly isolation?:
    'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  /** Default: the server's `transaction_read_only`. */
  readonly readOnly?: boolean | undefined
  /**
   * How often it is tried again, from its begin, after a deadlock (1213) or a lock that was not had in time (1205), with
   * growing pauses in between. `work` is called again then. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * When it aborts, `transaction` rejects at once with its reason; the statement that runs is killed on the server, and the
   * transaction is rolled back when `work` settles.
   */
  readonly signal?: AbortSignal | undefined
}

/** Runs `work` in a savepoint of the transaction: what it throws rolls back to there, and the transaction goes on. */
export type Savepoint = SavepointOf<MysqlClient>

/** What is done in a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: MysqlClient, savepoint: Savepoint) => T | Promise<T>

const RETRIED = new Set<unknown>([
  1205, // ER_LOCK_WAIT_TIMEOUT
  1213, // ER_LOCK_DEADLOCK
])
/** Said by the server of a COMMIT that it may have done all the same. */
const UNDECIDED = new Set<unknown>([
  1053, // ER_SERVER_SHUTDOWN
  1180, // ER_ERROR_DURING_COMMIT
  1317, // ER_QUERY_INTERRUPTED: while it waited for a replica
  1927, // ER_CONNECTION_KILLED, of MariaDB
  3169, // ER_SESSION_WAS_KILLED, of MySQL
])

const dialect: TransactionDialect<MysqlClient> = {
  run: (client, statement) => client.query(statement),
  cancel,

  leftOpen(client, pool) {
    if (!sessionOf(client).streaming) return undefined
    return rolledBack(pool, 'a stream was left open, which must be read to its end')
  },

  async commit(client, pool) {
    if (sessionOf(client).rolledBack) {
      // COMMIT would succeed, and what came after the deadlock is in the tables already, each statement by itself.
      await client.query('ROLLBACK')
      throw rolledBack(pool, 'one of its statements had met a deadlock before COMMIT')
    }
    try {
      await client.query('COMMIT')
    } catch (error) {
      // Then the server itself says that it did not.
      const { errno, sqlState } = error as { readonly errno?: unknown; readonly sqlState?: unknown }
      if (sqlState !== undefined && !UNDECIDED.has(errno)) throw error
      throw new CommitUnknownError(pool, error)
    }
  },

  isRetried: (error) => RETRIED.has((error as { readonly errno?: unknown } | null)?.errno),
}

function rolledBack(pool: string, why: string): Error {
  return new Error(`Pool "${pool}": the transaction was rolled back: ${why}.`)
}

/** Runs `work` between `START TRANSACTION` and `COMMIT`, as often as `retries` allows. */
export async function transact<T>(
  pool: ForkSafePool<MysqlClient>,
  work: TransactionWork<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const begin = beginOf(pool.stats.name, work, options)
  return transactBy(pool, dialect, begin, work, options)
}
