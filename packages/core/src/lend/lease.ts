import { LeaseReleasedError, type PoolError, StaleResourceError } from '../api/errors.ts'
import type { Lease } from '../api/pool.ts'
import type { Context } from '../context/context.ts'
import type { Entry } from '../stock/entry.ts'

/** Takes a resource back from its holder, who calls it `broken` or not. */
export type GiveBack<R extends object> = (entry: Entry<R>, broken: boolean, error?: Error) => void

/** How a lease ended: by its holder, or by the pool. */
type End = 'released' | 'destroyed' | 'lost' | 'closed' | 'stale'

const endings: Readonly<Record<End, string>> = {
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
    lease.#entry.mute = true
    return lease.destroy(error)
  }

  readonly #context: Context<R>
  readonly #giveBack: GiveBack<R>
  /** `undefined` once the end of the lease is known, so that an old lease retains nothing. */
  #entry: Entry<R> | undefined
  #end: End = 'released'
  #cause: unknown = undefined
  readonly generation: number

  /** The pool ends a lease by giving `entry.lease` another value. */
  constructor(context: Context<R>, giveBack: GiveBack<R>, entry: Entry<R>) {
    this.#context = context
    this.#giveBack = giveBack
    this.#entry = entry
    this.generation = entry.generation.number
  }

  get active(): boolean {
    if (this.#entry !== undefined) this.#context.checkProcess()
    return this.#entry?.lease === this
  }

  get resource(): R {
    if (this.#entry !== undefined) this.#context.checkProcess()
    const entry = this.#entry
    if (entry?.lease !== this) throw this.#endedError('used')
    return entry.resource as R
  }

  release(): void {
    const entry = this.#entry
    if (entry?.lease !== this) return this.#endAgain('released')
    this.#ended('released')
    entry.lease = undefined
    return this.#giveBack(entry, false)
  }

  destroy(error?: Error): void {
    const entry = this.#entry
    if (entry?.lease !== this) return this.#endAgain('destroyed')
    this.#ended('destroyed')
    entry.lease = undefined
    return this.#giveBack(entry, true, error)
  }

  [Symbol.dispose](): void {
    if (this.#entry?.lease === this) this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
  }

  #ended(end: End, cause?: unknown): void {
    this.#entry = undefined
    this.#end = end
    this.#cause = cause
  }

  /** Finds out how the pool ended the lease, if it did. */
  #settle(): void {
    const entry = this.#entry
    if (entry === undefined) return
    const { reason, error } = entry.ending
    if (entry.generation.disowned) this.#ended('stale')
    else this.#ended(reason === 'lost' ? 'lost' : 'closed', error)
  }

  /** If the pool ended the lease, the holder may still end it once. */
  #endAgain(end: 'released' | 'destroyed'): void {
    this.#settle()
    if (this.#end === 'stale') return
    if (this.#end === 'lost' || this.#end === 'closed') {
      this.#end = end
      return
    }
    if (this.#end === 'destroyed' && end === 'destroyed') return
    throw this.#endedError(end)
  }

  #endedError(attempt: 'used' | 'released' | 'destroyed'): PoolError {
    this.#settle()
    const pool = this.#context.options.name
    const lease = `the lease (generation ${this.generation})`
    if (this.#end === 'stale') return new StaleResourceError(pool, lease)
    return new LeaseReleasedError(
      pool,
      `Pool "${pool}": ${lease} cannot be ${attempt}: ${endings[this.#end]}.`,
      this.#cause === undefined ? undefined : { cause: this.#cause },
    )
  }
}

// Resolving a promise with a lease looks for a `then`. Finding `undefined` at once, and not at the end of the prototype chain,
// saves one part in twenty of a contended acquire.
// oxlint-disable-next-line unicorn/no-thenable -- it is none
Object.defineProperty(PooledLease.prototype, 'then', { value: undefined })
