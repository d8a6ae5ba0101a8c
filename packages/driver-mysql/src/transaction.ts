import type * as sql from '@forksafe/sql'
import { modesOf, RolledBackError } from '@forksafe/sql'
import { cancel } from './cancel.ts'
import type { MysqlClient } from './client.ts'
import { sessionOf } from './session.ts'
import { CODE_PREFIX, isRollingBack, overError, Watch } from './transaction-watch.ts'

/** How a transaction begins, how often it is tried, and until when. */
export interface TransactionOptions extends sql.TransactionOptions {
  /**
   * How often it is tried again, from its begin, after a deadlock (1213), a lock wait timeout (1205), or a row that another
   * transaction has changed since it was first read (1020). `work` is called again then, after a random pause of up to 10 ms,
   * doubled each time up to 1,000 ms. A whole number of at least 0. Default 0.
   */
  readonly retries?: number | undefined
}

/**
 * Runs `work` in a savepoint of the transaction, and returns its result. If it throws, rolls back to the savepoint and rejects; the
 * transaction goes on. A second savepoint beside an open one is refused; a nested one is not.
 */
export type Savepoint = sql.Savepoint<MysqlClient>

/** The work of a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: MysqlClient, savepoint: Savepoint) => T | Promise<T>

/** Errors of COMMIT after which the server may have committed all the same. */
const UNDECIDED = new Set<unknown>([
  1053, // ER_SERVER_SHUTDOWN
  1180, // ER_ERROR_DURING_COMMIT
  1317, // ER_QUERY_INTERRUPTED: while it waited for a replica
  1927, // ER_CONNECTION_KILLED, of MariaDB
  3169, // ER_SESSION_WAS_KILLED, of MySQL
])

/** Transactions of MySQL and MariaDB. */
export const dialect: sql.TransactionDialect<MysqlClient, TransactionOptions> = {
  codePrefix: CODE_PREFIX,

  // The isolation is set for the next transaction only.
  begin({ isolation, readOnly }) {
    const begin = ['START TRANSACTION', ...modesOf({ readOnly })].join(' ')
    if (isolation === undefined) return [begin]
    return [['SET TRANSACTION', ...modesOf({ isolation })].join(' '), begin]
  },

  run: (client, statement) => client.query(statement),
  cancel,

  leftOpen(client, pool) {
    const session = sessionOf(client)
    if (session.unusable !== undefined) return overError(session, pool)
    if (!session.streaming) return undefined
    const why = 'a stream was left open, which must be read to its end'
    return new RolledBackError(pool, CODE_PREFIX, why)
  },

  alreadyOver(client, pool) {
    const session = sessionOf(client)
    return session.inTransaction ? undefined : overError(session, pool)
  },

  refusesCommit(error) {
    const { errno, sqlState } = error as { readonly errno?: unknown; readonly sqlState?: unknown }
    return sqlState !== undefined && !UNDECIDED.has(errno)
  },

  isRetried: (error) => isRollingBack(error instanceof RolledBackError ? error.cause : error),
  watch: (lease, pool) => new Watch(lease, pool),
}
