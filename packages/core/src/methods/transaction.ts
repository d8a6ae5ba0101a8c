import { setTimeout } from 'node:timers/promises'
import type { ForkSafePool, Lease } from '../surface.ts'
import { type Cancel, useUntilAborted } from './until-aborted.ts'

/** What is done in a transaction. What it throws rolls back; `savepoint` nests. `lease` is the one that it all runs on. */
export type TransactionWork<R extends object, T> = (
  resource: R,
  savepoint: Savepoint<R>,
  lease: Lease<R>,
) => T | Promise<T>

/**
 * Runs `work` in a savepoint of the transaction, and returns its result. What `work` throws rolls back to the savepoint, and the
 * transaction goes on. Rejects while another savepoint of the same level is open. Must have ended before what it is in ends.
 */
export type Savepoint<R extends object> = <T>(work: TransactionWork<R, T>) => Promise<T>

/** What a driver does for its transactions. */
export interface TransactionDialect<R extends object> {
  /** Sends a statement. Rejects with the server's error. */
  run(resource: R, statement: string): Promise<unknown>
  /** Ends the statement that is running. */
  readonly cancel: Cancel<R>
  /**
   * Returns what `work` left open on the resource, such as a stream that nobody reads, as an error that says so in the name of
   * `pool`. Nothing sent behind it would be answered, so the resource is destroyed. `undefined` if nothing is open.
   */
  leftOpen(resource: R, pool: string): Error | undefined
  /**
   * Sends COMMIT. Rejects if that did not commit, or if nobody knows whether it did. Asks the lease for its resource before each
   * statement: a fork may have come in between, and the transaction is the parent's to end.
   */
  commit(lease: Lease<R>, pool: string): Promise<void>
  /** Whether a transaction that failed with this error may succeed if it is run again from its beginning. */
  isRetried(error: unknown): boolean
}

/** How often a transaction is tried, and until when. */
export interface TransactionAttempts {
  /**
   * How often it is tried again after an error that `isRetried` accepts. A whole number of at least 0; default 0. In between are
   * random pauses, of at most 10 ms at first, doubled each time up to 1,000 ms.
   */
  readonly retries?: number | undefined
  /** When it aborts, `transact` rejects with its `reason`, unless COMMIT is already on its way. */
  readonly signal?: AbortSignal | undefined
}

const FIRST_PAUSE_MILLIS = 10
const LONGEST_PAUSE_MILLIS = 1_000

/**
 * Runs `work` on one resource, between the statements of `begin` and COMMIT, as often as `retries` allows, and returns its
 * result. Rejects as `acquire` does, with what `work` throws after it is rolled back, or with what `commit` rejects with.
 */
export async function transact<R extends object, T>(
  pool: ForkSafePool<R>,
  dialect: TransactionDialect<R>,
  begin: readonly string[],
  work: TransactionWork<R, T>,
  { retries = 0, signal }: TransactionAttempts,
): Promise<T> {
  const { name } = pool.stats
  for (let attempt = 0; ; attempt++) {
    try {
      return await useUntilAborted(
        pool,
        signal,
        dialect.cancel,
        async (resource, lease, decide) => {
          const session = new Session(name, dialect, lease)
          for (const statement of begin) await session.run(statement)
          const result = await session.undoing(['ROLLBACK'], 0, async () => {
            signal?.throwIfAborted()
            const result = await work(resource, session.savepoint(1), lease)
            decide()
            session.refuseLeftOpen(0)
            return result
          })
          await dialect.commit(lease, name)
          return result
        },
      )
    } catch (error) {
      if (attempt >= retries || !dialect.isRetried(error) || signal?.aborted === true) throw error
    }
    const longest = Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS * 2 ** Math.min(attempt, 10))
    await setTimeout(Math.random() * longest, undefined, signal && { signal }).catch(() => {
      throw signal?.reason
    })
  }
}

/** Where a transaction runs. */
class Session<R extends object> {
  readonly #pool: string
  readonly #dialect: TransactionDialect<R>
  readonly #lease: Lease<R>
  /** How many savepoints are open, one in the other. */
  #depth = 0

  constructor(pool: string, dialect: TransactionDialect<R>, lease: Lease<R>) {
    this.#pool = pool
    this.#dialect = dialect
    this.#lease = lease
  }

  run(statement: string): Promise<unknown> {
    return this.#dialect.run(this.#lease.resource, statement)
  }

  /** One savepoint at a time: two at once would end each other's. */
  savepoint(depth: number): Savepoint<R> {
    const name = `forksafe_${depth}`
    return async (work) => {
      const outer = this.#depth
      if (outer >= depth) {
        throw new Error(
          `Pool "${this.#pool}", \`savepoint\`: expected the one before to have ended, got another beside it: await it, or nest with the \`savepoint\` that it is given.`,
        )
      }
      this.#depth = depth
      try {
        const undo = [`ROLLBACK TO SAVEPOINT ${name}`, `RELEASE SAVEPOINT ${name}`]
        return await this.undoing(undo, depth, async () => {
          await this.run(`SAVEPOINT ${name}`)
          const result = await work(this.#lease.resource, this.savepoint(depth + 1), this.#lease)
          this.refuseLeftOpen(depth)
          await this.run(`RELEASE SAVEPOINT ${name}`)
          return result
        })
      } finally {
        this.#depth = outer
      }
    }
  }

  /** Runs `work`, which is in so many savepoints, and if it throws, what undoes it. */
  async undoing<T>(undo: readonly string[], depth: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      for (const statement of undo) await this.#attempt(statement, depth)
      throw error
    }
  }

  /** Nothing is committed behind what was left open, and nothing rolled back. */
  refuseLeftOpen(depth: number): void {
    const error = this.#leftOpen(depth)
    if (error !== undefined) throw error
  }

  #leftOpen(depth: number): Error | undefined {
    if (this.#depth > depth) {
      return new Error(
        `Pool "${this.#pool}", \`savepoint\`: expected it to have ended before what it is in: await it.`,
      )
    }
    return this.#dialect.leftOpen(this.#lease.resource, this.#pool)
  }

  /**
   * Where it fails, the transaction is gone already, with the resource or by the server's will, or it is the parent's: the
   * first error tells more. Where it would not be answered, or come amid other work, the resource ends.
   */
  async #attempt(statement: string, depth: number): Promise<void> {
    try {
      const open = this.#leftOpen(depth)
      if (open === undefined) await this.run(statement)
      else this.#lease.destroy(open)
    } catch {
      // See above.
    }
  }
}
