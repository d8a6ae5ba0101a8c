import type { ForkSafePool } from '@forksafe/core'
import {
  type Savepoint as SavepointOf,
  transact as transactBy,
  type TransactionDialect,
} from '@forksafe/core/methods'
import { beginOf } from './begin.ts'
import { cancel } from './cancel.ts'
import type { MysqlClient } from './client.ts'
import { CommitUnknownError, RolledBackError } from './errors.ts'
import { sessionOf } from './session.ts'
import { isRollingBack, overError, Watch } from './transaction-watch.ts'

/** How a transaction begins, and what becomes of it when it fails. */
export interface TransactionOptions {
  /** What it sees of others' changes. Default: the server's `transaction_isolation`. */
  readonly isolation?:
    'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  /** Whether it may only read. Default: the server's `transaction_read_only`. */
  readonly readOnly?: boolean | undefined
  /**
   * How often it is tried again, from its begin, after a deadlock (1213), a lock that was not had in time (1205), or a row
   * that another transaction has changed since it was first looked at (1020). `work` is called again then, after a random
   * pause of up to 10 ms, doubled each time up to 1,000 ms. A whole number of at least 0. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * When it aborts, `transaction` rejects at once with its `reason`; the statement that runs is killed on the server, further
   * statements of `work` are not sent and reject with the `reason`, and the transaction is rolled back when `work` settles. Where
   * it depends on the server whether `work` has ended the transaction, the server is asked first. Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs `work` in a savepoint of the transaction, and gives its result. What `work` throws rolls back to there and rejects; the
 * transaction goes on. One at a time: a second one beside it is refused, a nested one is not.
 */
export type Savepoint = SavepointOf<MysqlClient>

/** What is done in a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: MysqlClient, savepoint: Savepoint) => T | Promise<T>

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
    const session = sessionOf(client)
    if (session.unusable !== undefined) return overError(session, pool)
    if (!session.streaming) return undefined
    return new RolledBackError(pool, 'a stream was left open, which must be read to its end')
  },

  async commit(lease, pool) {
    // If the lease has ended by now, COMMIT is not sent, and the outcome is known.
    const client = lease.resource
    const session = sessionOf(client)
    // COMMIT would succeed.
    if (!session.inTransaction) throw overError(session, pool)
    try {
      await client.query('COMMIT')
    } catch (error) {
      // Then the server itself says that it did not.
      const { errno, sqlState } = error as { readonly errno?: unknown; readonly sqlState?: unknown }
      if (sqlState !== undefined && !UNDECIDED.has(errno)) throw error
      throw new CommitUnknownError(pool, error)
    }
  },

  isRetried: (error) => isRollingBack(error instanceof RolledBackError ? error.cause : error),
  watch: (lease, pool) => new Watch(lease, pool),
}

/** Runs `work` between `START TRANSACTION` and `COMMIT`, as often as `retries` allows. */
export async function transact<T>(
  pool: ForkSafePool<MysqlClient>,
  work: TransactionWork<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { name } = pool.stats
  const begin = beginOf(name, work, options)
  return transactBy(pool, dialect, begin, (client, savepoint) => work(client, savepoint), options)
}
