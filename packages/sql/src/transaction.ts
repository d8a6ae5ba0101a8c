import { type Lease, StaleResourceError } from '@forksafe/core'
import type {
  Savepoint,
  TransactionDialect,
  TransactionOutcome,
  TransactionWatch,
  TransactionWork,
} from './dialect.ts'
import { CommitUnknownError, outcomeError, RolledBackError } from './errors.ts'
import type { TransactionOptions } from './options.ts'
import { cancelOrEnd } from './until-aborted.ts'

/** What a transaction needs of its dialect once it has begun. */
type Dialect<R extends object> = Omit<TransactionDialect<R, TransactionOptions>, 'begin'>

/** One attempt at a transaction, on one lease. */
export class Transaction<R extends object> {
  readonly #pool: string
  readonly #dialect: Dialect<R>
  readonly #lease: Lease<R>
  #watch: TransactionWatch | undefined
  /** How many savepoints are open, one in the other. */
  #depth = 0
  #cancelled: Promise<void> | undefined
  #settled: Promise<void> | undefined

  constructor(pool: string, dialect: Dialect<R>, lease: Lease<R>) {
    this.#pool = pool
    this.#dialect = dialect
    this.#lease = lease
  }

  run(statement: string): Promise<unknown> {
    return this.#dialect.run(this.#lease.resource, statement)
  }

  /** Runs `work` and then COMMIT, or ROLLBACK if it throws or if the transaction is no longer the one that began. */
  async complete<T>(
    work: TransactionWork<R, T>,
    signal: AbortSignal | undefined,
    decide: () => void,
  ): Promise<T> {
    const watch = this.#dialect.watch?.(this.#lease, this.#pool)
    this.#watch = watch
    const result = await this.#undoing(['ROLLBACK'], 0, async () => {
      signal?.throwIfAborted()
      const result = await work(this.#lease.resource, this.#savepoint(1))
      decide()
      const settling = this.#settle()
      if (settling !== undefined) {
        await settling
        this.#refuseLeftOpen(0)
      }
      this.#refuseEnded()
      return result
    })
    watch?.stop()
    await this.#commit()
    return result
  }

  /** Sends COMMIT. Rejects if that did not commit, or if nobody knows whether it did. */
  async #commit(): Promise<void> {
    const { codePrefix } = this.#dialect
    // If the lease has ended by now, COMMIT is not sent, and the outcome is known.
    const { resource } = this.#lease
    const over = this.#dialect.alreadyOver?.(resource, this.#pool)
    if (over !== undefined) throw over
    let answer: unknown
    try {
      answer = await this.#dialect.run(resource, 'COMMIT')
    } catch (error) {
      if (this.#dialect.refusesCommit(error)) throw error
      throw new CommitUnknownError(this.#pool, codePrefix, { cause: error })
    }
    const why = this.#dialect.whyRolledBack?.(answer)
    if (why !== undefined) throw new RolledBackError(this.#pool, codePrefix, why)
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
    const outcome = this.#outcome
    return outcome === 'open' ? error : this.#failure(outcome, { cause: error })
  }

  /** In a forked child, the transaction is the parent's. */
  get #outcome(): TransactionOutcome {
    return this.#watch === undefined || this.#isStale() ? 'open' : this.#watch.outcome
  }

  #refuseEnded(): void {
    const outcome = this.#watch?.outcome ?? 'open'
    if (outcome !== 'open') throw this.#failure(outcome)
  }

  #failure(outcome: Exclude<TransactionOutcome, 'open'>, options?: ErrorOptions): Error {
    const cause = this.#watch?.cause
    const known = options ?? (outcome === 'unknown' && cause !== undefined ? { cause } : undefined)
    return outcomeError(outcome, this.#pool, this.#dialect.codePrefix, known)
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
          const result = await work(this.#lease.resource, this.#savepoint(depth + 1))
          this.#refuseLeftOpen(depth)
          if (this.#watch?.outcome === 'ended') throw this.#failure('ended')
          await this.run(`RELEASE SAVEPOINT ${name}`)
          return result
        })
      } catch (error) {
        throw this.#watch?.outcome === 'ended' ? this.#failure('ended', { cause: error }) : error
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
    return this.#dialect.leftOpen?.(this.#lease.resource, this.#pool)
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
