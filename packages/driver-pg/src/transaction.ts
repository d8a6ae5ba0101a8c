import type { ForkSafePool, Lease } from '@forksafe/core'
import { setTimeout } from 'node:timers/promises'
import type { Client } from 'pg'
import { useUntilAborted } from './abort.ts'
import { beginOf } from './begin.ts'
import { CommitUnknownError, isOfStatement, RolledBackError } from './errors.ts'
import { leftOpen, openStream } from './streams.ts'

/** How a transaction begins, and what becomes of it when it fails. */
export interface TransactionOptions {
  /** Default: the server's `default_transaction_isolation`. */
  readonly isolation?:
    'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  /** Default: the server's `default_transaction_read_only`. */
  readonly readOnly?: boolean | undefined
  /** With `serializable` and `readOnly`: waits at its begin until it cannot fail any more. Default: the server's. */
  readonly deferrable?: boolean | undefined
  /**
   * How often it is tried again, from its begin, after a serialization failure (40001) or a deadlock (40P01), with
   * growing pauses in between. `work` is called again then. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * When it aborts, `transaction` rejects at once with its reason; the statement that runs is cancelled on the server,
   * and the transaction is rolled back when `work` settles.
   */
  readonly signal?: AbortSignal | undefined
}

/** Runs `work` in a savepoint of the transaction: what it throws rolls back to there, and the transaction goes on. */
export type Savepoint = <T>(work: TransactionWork<T>) => Promise<T>

/** What is done in a transaction. `savepoint` nests. */
export type TransactionWork<T> = (client: Client, savepoint: Savepoint) => T | Promise<T>

const RETRIED = new Set(['40001', '40P01'])
const FIRST_PAUSE_MILLIS = 10
const LONGEST_PAUSE_MILLIS = 1_000

/** Runs `work` between `BEGIN` and `COMMIT`, as often as `retries` allows. */
export async function transact<T>(
  pool: ForkSafePool<Client>,
  work: TransactionWork<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const { name } = pool.stats
  const begin = beginOf(name, work, options)
  const { retries = 0, signal } = options
  for (let attempt = 0; ; attempt++) {
    try {
      return await useUntilAborted(pool, signal, async (client, lease, decide) => {
        await client.query(begin)
        const result = await rollingBack(lease, async () => {
          signal?.throwIfAborted()
          const result = await work(client, savepointsOf(lease, name, 1))
          decide()
          refuseOpenStream(lease, name)
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

async function rollingBack<T>(lease: Lease<Client>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await attempt(lease, 'ROLLBACK')
    throw error
  }
}

async function commit(lease: Lease<Client>, pool: string): Promise<void> {
  // Through the lease: a fork may have come in between, and the transaction is the parent's to end. And where the
  // connection is lost already, COMMIT is not sent: there is nothing unknown.
  const client = lease.resource
  let command: string
  try {
    ;({ command } = await client.query('COMMIT'))
  } catch (error) {
    // Then the server itself says that it did not.
    if (isOfStatement(error)) throw error
    throw new CommitUnknownError(pool, error)
  }
  if (command === 'COMMIT') return
  throw new RolledBackError(pool, 'one of its statements had failed before COMMIT')
}

/** One savepoint at a time: two at once would end each other's. */
function savepointsOf(lease: Lease<Client>, pool: string, depth: number): Savepoint {
  const name = `forksafe_${depth}`
  let open = false
  return async (work) => {
    if (open) {
      throw new Error(
        `Pool "${pool}", \`savepoint\`: expected the one before to have ended, got another beside it: await it, or nest with the \`savepoint\` that it is given.`,
      )
    }
    open = true
    try {
      await lease.resource.query(`SAVEPOINT ${name}`)
      const result = await work(lease.resource, savepointsOf(lease, pool, depth + 1))
      refuseOpenStream(lease, pool)
      await lease.resource.query(`RELEASE SAVEPOINT ${name}`)
      return result
    } catch (error) {
      await attempt(lease, `ROLLBACK TO SAVEPOINT ${name}; RELEASE SAVEPOINT ${name}`)
      throw error
    } finally {
      open = false
    }
  }
}

/** Nothing is committed behind a stream, and nothing rolled back. */
function refuseOpenStream(lease: Lease<Client>, pool: string): void {
  if (openStream(lease.resource) !== undefined) throw new RolledBackError(pool, leftOpen)
}

/**
 * Where it fails, the connection is gone and the transaction with it, or it is the parent's: the first error tells more.
 * Where it would not be answered, the connection ends.
 */
async function attempt(lease: Lease<Client>, statement: string): Promise<void> {
  try {
    if (openStream(lease.resource) === undefined) await lease.resource.query(statement)
    else lease.destroy(new Error(`In a transaction: ${leftOpen}.`))
  } catch {
    // See above.
  }
}

function isRetried(error: unknown): boolean {
  return RETRIED.has(String((error as { readonly code?: unknown } | null)?.code))
}
