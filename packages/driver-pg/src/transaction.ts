import { trueOrFalse } from '@forksafe/core/methods'
import type * as sql from '@forksafe/sql'
import { modesOf, RolledBackError } from '@forksafe/sql'
import type { Client } from 'pg'
import { cancel } from './cancel.ts'
import { isQueryable } from './internals.ts'
import { leftOpen, openStreamOf } from './open-streams.ts'
import { isStatementError } from './server-errors.ts'
import { watch } from './transaction-watch.ts'
import { whyUnresponsive } from './unusable-session.ts'

/** How a transaction begins, how often it is tried, and until when. */
export interface TransactionOptions extends sql.TransactionOptions {
  /**
   * With `serializable` and `readOnly`: waits at its begin until it cannot fail any more. Default: the server's
   * `default_transaction_deferrable`.
   */
  readonly deferrable?: boolean | undefined
  /**
   * How often it is tried again, from its begin, after a serialization failure (40001) or a deadlock (40P01). `work` is called
   * again then, after a random pause of up to 10 ms, doubled each time up to 1,000 ms. A whole number of at least 0. Default 0.
   */
  readonly retries?: number | undefined
}

/** Runs `work` in a savepoint of the transaction. If it throws, rolls back to the savepoint; the transaction goes on. */
export type Savepoint = sql.Savepoint<Client>

/** The work of a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: Client, savepoint: Savepoint) => T | Promise<T>

const CODE_PREFIX = 'FORKSAFE_PG'
const RETRIED = new Set(['40001', '40P01'])

/** Transactions of PostgreSQL. */
export const dialect: sql.TransactionDialect<Client, TransactionOptions> = {
  codePrefix: CODE_PREFIX,
  options: { deferrable: trueOrFalse },

  begin({ deferrable, ...options }) {
    const modes = ['BEGIN', ...modesOf(options)]
    if (deferrable !== undefined) modes.push(deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE')
    return [modes.join(' ')]
  },

  run: (client, statement) => client.query(statement),
  cancel,

  leftOpen(client, pool) {
    if (openStreamOf(client) !== undefined) return rolledBack(pool, leftOpen)
    const unresponsive = whyUnresponsive(client)
    if (unresponsive !== undefined) return rolledBack(pool, unresponsive)
    if (isQueryable(client)) return undefined
    return rolledBack(pool, 'its connection was lost before COMMIT')
  },

  refusesCommit: isStatementError,

  whyRolledBack: (answer) =>
    (answer as { readonly command: string }).command === 'COMMIT'
      ? undefined
      : 'one of its statements had failed before COMMIT',

  isRetried: (error) => RETRIED.has(String((error as { readonly code?: unknown } | null)?.code)),
  watch: ({ resource }) => watch(resource),
}

function rolledBack(pool: string, why: string): Error {
  return new RolledBackError(pool, CODE_PREFIX, why)
}
