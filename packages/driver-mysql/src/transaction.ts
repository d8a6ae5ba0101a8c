import type { ForkSafePool, Lease } from '@forksafe/core'
import { setTimeout } from 'node:timers/promises'
import { useUntilAborted } from './abort.ts'
import { beginOf } from './begin.ts'
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
export type Savepoint = <T>(work: TransactionWork<T>) => Promise<T>

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
const FIRST_PAUSE_MILLIS = 10
const LONGEST_PAUSE_MILLIS = 1_000

/** Runs `work` between `START TRANSACTION` and `COMMIT`, as often as `retries` allows. */
export async function transact<T>(
  pool: ForkSafePool<MysqlClient>,
  work: TransactionWork<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { name } = pool.stats
  const begin = beginOf(name, work, options)
  const { retries = 0, signal } = options
  for (let attempt = 0; ; attempt++) {
    try {
      return await useUntilAborted(pool, signal, async (client, lease, decide) => {
        for (const statement of begin) await client.query(statement)
        const result = await rollingBack(lease, async () => {
          const result = await work(client, savepointsOf(lease, 1))
          decide()
          failIfRolledBack(client)
          return result
        })
        await commit(lease, name)
        return result
      })
    } catch (error) {
      if (attempt >= retries || !isRetried(error) || signal?.aborted === true) throw error
    }
    const longest = Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS * 2 ** Math.min(attempt, 10))
    await setTimeout(Math.random() * longest, undefined, signal && { signal }).catch(() => {
      throw signal?.reason
    })
  }
}

async function rollingBack<T>(lease: Lease<MysqlClient>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await attempt(lease, 'ROLLBACK')
    throw error
  }
}

/** COMMIT would succeed, and what came after the deadlock is in the tables already, each statement by itself. */
function failIfRolledBack(client: MysqlClient): void {
  if (!sessionOf(client).rolledBack) return
  throw new Error(
    'The transaction was rolled back: one of its statements had met a deadlock before COMMIT.',
  )
}

async function commit(lease: Lease<MysqlClient>, pool: string): Promise<void> {
  // Through the lease: a fork may have come in between, and the transaction is the parent's to end. And where the
  // connection is lost already, COMMIT is not sent: there is nothing unknown.
  const client = lease.resource
  try {
    await client.query('COMMIT')
  } catch (error) {
    // Then the server itself says that it did not.
    const { errno, sqlState } = error as { readonly errno?: unknown; readonly sqlState?: unknown }
    if (sqlState !== undefined && !UNDECIDED.has(errno)) throw error
    throw new CommitUnknownError(pool, error)
  }
}

/** One savepoint at a time: two at once would end each other's. */
function savepointsOf(lease: Lease<MysqlClient>, depth: number): Savepoint {
  const name = `forksafe_${depth}`
  let open = false
  return async (work) => {
    if (open) {
      throw new Error(
        `Expected the savepoint before to have ended, got another beside it: await it, or nest with the \`savepoint\` that it is given.`,
      )
    }
    open = true
    try {
      await lease.resource.query(`SAVEPOINT ${name}`)
      const result = await work(lease.resource, savepointsOf(lease, depth + 1))
      await lease.resource.query(`RELEASE SAVEPOINT ${name}`)
      return result
    } catch (error) {
      await attempt(lease, `ROLLBACK TO SAVEPOINT ${name}`)
      await attempt(lease, `RELEASE SAVEPOINT ${name}`)
      throw error
    } finally {
      open = false
    }
  }
}

/**
 * Where it fails, the transaction is gone already, with the connection or by a deadlock, or it is the parent's: the first
 * error tells more.
 */
async function attempt(lease: Lease<MysqlClient>, statement: string): Promise<void> {
  try {
    await lease.resource.query(statement)
  } catch {
    // See above.
  }
}

function isRetried(error: unknown): boolean {
  return RETRIED.has((error as { readonly errno?: unknown } | null)?.errno)
}
