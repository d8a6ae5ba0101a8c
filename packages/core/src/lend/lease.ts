import { LeaseReleasedError, type PoolError, StaleResourceError } from '../api/errors.ts'
import type { Lease } from '../api/pool.ts'
import type { Context } from '../context/context.ts'
import type { Entry } from '../stock/entry.ts'

/** Takes resources back from their holders. */
export interface Desk<R extends object> {
  readonly context: Context<R>
  takeBack(entry: Entry<R>): void
  takeBackBroken(entry: Entry<R>, error: Error | undefined): void
}

/** How a lease ended: by its holder, or by the pool. */
interface Ending {
  readonly how: 'released' | 'destroyed' | 'lost' | 'closed' | 'stale'
  readonly cause?: unknown
}

const RELEASED: Ending = { how: 'released' }
const DESTROYED: Ending = { how: 'destroyed' }

const explanations: Readonly<Record<Ending['how'], string>> = {
  released: 'it was released before',
  destroyed: 'it was destroyed before',
  lost: 'its resource was lost',
  closed: 'the pool was closed',
  stale: 'it belongs to another process',
}

export class PooledLease<R extends object> implements Lease<R> {
  /**
   * Ends a lease whose resource does not answer: the pool discards the resource without a goodbye. Does nothing if the lease
   * has ended. A lease of another make is destroyed.
   */
  static discard<R extends object>(lease: Lease<R>, error: Error): void {
    if (!(#entry in lease)) return lease.destroy(error)
    if (!lease.active || lease.#entry === undefined) return undefined
    lease.#entry.isUnresponsive = true
    return lease.destroy(error)
  }

  readonly #desk: Desk<R>
  /** `undefined` once the end of the lease is known, so that an old lease retains nothing. */
  #entry: Entry<R> | undefined
  /** The value of `entry.uses` for which the lease is valid. */
  readonly #use: number
  #ending: Ending = RELEASED
  readonly generation: number
  readonly id: number

  constructor(desk: Desk<R>, entry: Entry<R>) {
    this.#desk = desk
    this.#entry = entry
    this.#use = entry.uses
    this.generation = entry.generation.number
    this.id = entry.id
  }

  get active(): boolean {
    if (this.#entry !== undefined) this.#desk.context.checkProcess()
    return this.#isHeld(this.#entry)
  }

  get resource(): R {
    if (this.#entry !== undefined) this.#desk.context.checkProcess()
    const entry = this.#entry
    if (!this.#isHeld(entry)) throw this.#endedError('used')
    return entry.resource as R
  }

  release(): void {
    const entry = this.#entry
    if (!this.#isHeld(entry)) return this.#endAgain(RELEASED)
    this.#entry = undefined
    return this.#desk.takeBack(entry)
  }

  destroy(error?: Error): void {
    const entry = this.#entry
    if (!this.#isHeld(entry)) return this.#endAgain(DESTROYED)
    this.#entry = undefined
    this.#ending = DESTROYED
    return this.#desk.takeBackBroken(entry, error)
  }

  [Symbol.dispose](): void {
    if (this.#isHeld(this.#entry)) this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
  }

  #isHeld(entry: Entry<R> | undefined): entry is Entry<R> {
    return entry !== undefined && entry.state === 'lent' && entry.uses === this.#use
  }

  /** Records how the lease ended, and returns that. */
  #settle(): Ending {
    const entry = this.#entry
    this.#entry = undefined
    if (entry !== undefined) {
      // The pool ended it.
      const { reason, error } = entry.ending
      if (entry.generation.disowned) this.#ending = { how: 'stale' }
      else this.#ending = { how: reason === 'lost' ? 'lost' : 'closed', cause: error }
    }
    return this.#ending
  }

  /** If the pool ended the lease, the holder may still end it once. */
  #endAgain(ending: Ending): void {
    const { how } = this.#settle()
    if (how === 'lost' || how === 'closed') this.#ending = ending
    else if (how === 'released' || (how === 'destroyed' && ending === RELEASED)) {
      throw this.#endedError(ending.how)
    }
  }

  #endedError(attempt: string): PoolError {
    const { how, cause } = this.#settle()
    const pool = this.#desk.context.options.name
    const lease = `the lease (generation ${this.generation})`
    if (how === 'stale') return new StaleResourceError(pool, lease)
    return new LeaseReleasedError(
      pool,
      `Pool "${pool}": ${lease} cannot be ${attempt}: ${explanations[how]}.`,
      cause === undefined ? undefined : { cause },
    )
  }
}

// A promise that resolves with a lease looks for its `then`. An own `undefined` on the prototype saves 5 % of a contended acquire.
// oxlint-disable-next-line unicorn/no-thenable -- it is none
Object.defineProperty(PooledLease.prototype, 'then', { value: undefined })
