import type { ForkSafePool } from '@forksafe/core'
import {
  type Savepoint as SavepointOf,
  transact as transactBy,
  type TransactionDialect,
} from '@forksafe/core/methods'
import type { Client } from 'pg'
import { beginOf } from './begin.ts'
import { cancel } from './cancel.ts'
import { CommitUnknownError, isOfStatement, RolledBackError } from './errors.ts'
import { isQueryable } from './queryable.ts'
import { whyUnsure } from './spoiled.ts'
import { leftOpen, openStream } from './streams.ts'
import { watch } from './transaction-watch.ts'

/** How a transaction begins, and what becomes of it when it fails. */
export interface TransactionOptions {
  /** What it sees of others' changes. Default: the server's `default_transaction_isolation`. */
  readonly isolation?:
    'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  /** Whether it may only read. Default: the server's `default_transaction_read_only`. */
  readonly readOnly?: boolean | undefined
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
  /**
   * When it aborts, `transaction` rejects at once with its `reason`; the statement that runs is cancelled on the server, further
   * statements of `work` are not sent and reject with the `reason`, and the transaction is rolled back when `work` settles. Default:
   * none.
   */
  readonly signal?: AbortSignal | undefined
}

/** Runs `work` in a savepoint of the transaction: what it throws rolls back to there, and the transaction goes on. */
export type Savepoint = SavepointOf<Client>

/** What is done in a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: Client, savepoint: Savepoint) => T | Promise<T>

const RETRIED = new Set(['40001', '40P01'])

const dialect: TransactionDialect<Client> = {
  run: (client, statement) => client.query(statement),
  cancel,

  leftOpen(client, pool) {
    if (openStream(client) !== undefined) return new RolledBackError(pool, leftOpen)
    const unsure = whyUnsure(client)
    if (unsure !== undefined) return new RolledBackError(pool, unsure)
    if (isQueryable(client)) return undefined
    return new RolledBackError(pool, 'its connection was lost before COMMIT')
  },

  async commit(lease, pool) {
    let command: string
    // If the lease has ended by now, COMMIT is not sent, and the outcome is known.
    const ours = lease.resource
    try {
      ;({ command } = await ours.query('COMMIT'))
    } catch (error) {
      // Then the server itself says that it did not.
      if (isOfStatement(error)) throw error
      throw new CommitUnknownError(pool, error)
    }
    if (command === 'COMMIT') return
    throw new RolledBackError(pool, 'one of its statements had failed before COMMIT')
  },

  isRetried: (error) => RETRIED.has(String((error as { readonly code?: unknown } | null)?.code)),
  watch: (lease, pool) => watch(lease.resource, pool),
}

/** Runs `work` between `BEGIN` and `COMMIT`, as often as `retries` allows. */
export async function transact<T>(
  pool: ForkSafePool<Client>,
  work: TransactionWork<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const begin = beginOf(pool.stats.name, work, options)
  return transactBy(pool, dialect, [begin], work, options)
}
