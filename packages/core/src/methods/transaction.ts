import { setTimeout } from 'node:timers/promises'
import { StaleResourceError } from '../api/errors.ts'
import type { ForkSafePool, Lease } from '../api/pool.ts'
import { type Cancel, cancelOrEnd, useUntilAborted } from './until-aborted.ts'

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
  /**
   * Watches the transaction that has just begun on the resource of `lease`. Called after the statements of `begin`, before `work`.
   * Default: nothing is watched, and `work` is trusted not to end the transaction.
   */
  watch?(lease: Lease<R>, pool: string): TransactionWatch
}

/**
 * Notices when `work` ends its own transaction, even if it starts another one.
 */
export interface TransactionWatch {
  /**
   * Whether the transaction that began is still open, according to the answers so far. `'ended'`: `work` ended it, and may have
   * committed a part. `'unknown'`: the answer to a statement that may have ended it is missing.
   */
  readonly outcome: 'open' | 'ended' | 'unknown'
  /**
   * Returns the error that reports an outcome other than `'open'`. Returns the `cause` itself if it already is that error.
   */
  failure(options?: ErrorOptions): Error
  /** From now on, rejects the statements of `work` with `reason`. */
  refuse(reason: unknown): void
  /** Waits for pending answers and asks the server where the outcome depends on it. Called at most once, before `stop`. */
  settle(): Promise<void> | undefined
  /** Stops watching and refusing: what follows is not a statement of `work`. May be called more than once. */
  stop(): void
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
 * result. Rejects as `acquire` does, with what `work` throws after it is rolled back, with what `commit` rejects with, or with
 * the failure of the `watch` if `work` ended the transaction itself.
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
    let session: Session<R> | undefined
    const cancel = (lease: Lease<R>): Promise<void> =>
      session?.abort(signal?.reason) ?? dialect.cancel(lease)
    try {
      return await useUntilAborted(pool, signal, cancel, async (_, lease, decide) => {
        session = new Session(name, dialect, lease)
        for (const statement of begin) await session.run(statement)
        return session.transaction(work, signal, decide)
      })
    } catch (error) {
      const failure = (await session?.reported(error)) ?? error
      if (attempt >= retries || !dialect.isRetried(failure) || signal?.aborted === true) {
        throw failure
      }
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
  #watch: TransactionWatch | undefined
  /** How many savepoints are open, one in the other. */
  #depth = 0
  #cancelled: Promise<void> | undefined
  #settled: Promise<void> | undefined

  constructor(pool: string, dialect: TransactionDialect<R>, lease: Lease<R>) {
    this.#pool = pool
    this.#dialect = dialect
    this.#lease = lease
  }

  run(statement: string): Promise<unknown> {
    return this.#dialect.run(this.#lease.resource, statement)
  }

  /** Runs `work` and then COMMIT, or ROLLBACK if it throws or if the transaction is no longer the one that began. */
  async transaction<T>(
    work: TransactionWork<R, T>,
    signal: AbortSignal | undefined,
    decide: () => void,
  ): Promise<T> {
    const watch = this.#dialect.watch?.(this.#lease, this.#pool)
    this.#watch = watch
    const result = await this.#undoing(['ROLLBACK'], 0, async () => {
      signal?.throwIfAborted()
      const result = await work(this.#lease.resource, this.#savepoint(1), this.#lease)
      decide()
      const settling = this.#settle()
      if (settling !== undefined) {
        await settling
        this.#refuseLeftOpen(0)
      }
      if (watch !== undefined && watch.outcome !== 'open') throw watch.failure()
      return result
    })
    watch?.stop()
    await this.#dialect.commit(this.#lease, this.#pool)
    return result
  }

  /** Refuses further statements of `work`, and ends the one that is running. */
  abort(reason: unknown): Promise<void> {
    this.#watch?.refuse(reason)
    this.#cancelled = cancelOrEnd(this.#lease, this.#dialect.cancel)
    return this.#cancelled
  }

  /** Returns the error to report when the transaction failed with `error`. */
  async reported(error: unknown): Promise<unknown> {
    // `work` may still be running: its signal has aborted.
    if (this.#outcome === 'unknown') await this.#trySettling()
    if (this.#outcome === 'open') return error
    return this.#watch?.failure({ cause: error })
  }

  /** In a forked child, the transaction is the parent's. */
  get #outcome(): TransactionWatch['outcome'] {
    return this.#watch === undefined || this.#isStale() ? 'open' : this.#watch.outcome
  }

  #isStale(): boolean {
    try {
      return this.#lease.resource === undefined
    } catch (error) {
      return error instanceof StaleResourceError
    }
  }

  /**
   * Makes the outcome known, once. A cancel request that is still on its way could strike what this sends, so it waits for that.
   * Rejects if the outcome cannot be determined.
   */
  #settle(): Promise<void> | undefined {
    if (this.#settled !== undefined) return this.#settled
    if (this.#cancelled === undefined) {
      this.#refuseLeftOpen(0)
      this.#settled = this.#watch?.settle()
    } else {
      this.#settled = this.#cancelled.then(() => {
        this.#refuseLeftOpen(0)
        return this.#watch?.settle()
      })
    }
    return this.#settled
  }

  /** One savepoint at a time: two at once would end each other's. */
  #savepoint(depth: number): Savepoint<R> {
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
        return await this.#undoing(undo, depth, async () => {
          await this.run(`SAVEPOINT ${name}`)
          const result = await work(this.#lease.resource, this.#savepoint(depth + 1), this.#lease)
          this.#refuseLeftOpen(depth)
          if (this.#watch?.outcome === 'ended') throw this.#watch.failure()
          await this.run(`RELEASE SAVEPOINT ${name}`)
          return result
        })
      } catch (error) {
        throw this.#watch?.outcome === 'ended' ? this.#watch.failure({ cause: error }) : error
      } finally {
        this.#depth = outer
      }
    }
  }

  /** Runs `work`, which is in so many savepoints, and if it throws, the statements that undo it. */
  async #undoing<T>(undo: readonly string[], depth: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (depth === 0) {
        await this.#trySettling()
        this.#watch?.stop()
      }
      for (const statement of undo) await this.#attempt(statement, depth)
      throw error
    }
  }

  async #trySettling(): Promise<void> {
    try {
      await this.#settle()
    } catch {
      // The outcome stays as it is known. `work` has failed anyway.
    }
  }

  /** Nothing is committed behind what was left open, and nothing rolled back. */
  #refuseLeftOpen(depth: number): void {
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
   * If it fails, the transaction is already gone, with the resource or by the server's decision, or it is the parent's: the
   * first error says more. Where it would not be answered, or would come amid other work, the resource is destroyed instead.
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
