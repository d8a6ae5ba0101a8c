import type { Entry } from './entry.ts'
import { LeaseReleasedError, type PoolError, StaleResourceError } from './errors.ts'
import type { Lease } from './surface.ts'

/** What a lease needs of its pool. */
export interface Lender<R extends object> {
  readonly name: string
  /** Looks for a change of process, which ends the leases of the process before. */
  checkProcess(): void
  takeBack(entry: Entry<R>): void
  takeBackBroken(entry: Entry<R>, error: Error | undefined): void
}

/** How a lease ended: by its holder's hand, or over its holder's head. */
export type LeaseEnd = 'released' | 'destroyed' | 'lost' | 'close' | 'stale'

/** Ends a lease over its holder's head. Known to the pool alone. */
export let endLease: <R extends object>(lease: PooledLease<R>, end: LeaseEnd, cause?: Error) => void

/**
 * Returns a resource that does not answer: the pool discards it without a goodbye. Does nothing if the lease has ended. A lease of
 * another make is destroyed.
 */
export let discardLease: <R extends object>(lease: Lease<R>, error: Error) => void

export class PooledLease<R extends object> implements Lease<R> {
  static {
    endLease = (lease, end, cause) => {
      lease.#entry = undefined
      lease.#end = end
      lease.#cause = cause
    }
    discardLease = (lease, error) => {
      if (!(#entry in lease)) return lease.destroy(error)
      lease.#lender.checkProcess()
      if (lease.#entry === undefined) return
      lease.#entry.mute = true
      lease.destroy(error)
    }
  }

  readonly #lender: Lender<R>
  /** Empty once the lease has ended, so that an old one holds on to nothing. What comes next says how it ended. */
  #entry: Entry<R> | undefined
  #end: LeaseEnd = 'released'
  #cause: Error | undefined = undefined
  readonly generation: number

  constructor(lender: Lender<R>, entry: Entry<R>) {
    this.#lender = lender
    this.#entry = entry
    this.generation = entry.generation.number
  }

  get resource(): R {
    if (this.#entry !== undefined) this.#lender.checkProcess()
    const resource = this.#entry?.resource
    if (resource === undefined) throw this.#endedError('used')
    return resource
  }

  release(): void {
    const entry = this.#entry
    if (entry === undefined) return this.#endAgain('released')
    this.#entry = undefined
    this.#end = 'released'
    this.#lender.takeBack(entry)
  }

  destroy(error?: Error): void {
    const entry = this.#entry
    if (entry === undefined) return this.#endAgain('destroyed')
    this.#entry = undefined
    this.#end = 'destroyed'
    this.#lender.takeBackBroken(entry, error)
  }

  [Symbol.dispose](): void {
    if (this.#entry !== undefined) this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
  }

  /** A holder may end once what the pool has ended over its head; what it ended itself it may not end again. */
  #endAgain(end: 'released' | 'destroyed'): void {
    if (this.#end === 'stale') return
    if (this.#end === 'lost' || this.#end === 'close') {
      this.#end = end
      return
    }
    if (this.#end === 'destroyed' && end === 'destroyed') return
    throw this.#endedError(end)
  }

  #endedError(attempt: 'used' | 'released' | 'destroyed'): PoolError {
    const pool = this.#lender.name
    const lease = `the lease (generation ${this.generation})`
    if (this.#end === 'stale') return new StaleResourceError(pool, lease)
    const ended = {
      released: 'it was released before',
      destroyed: 'it was destroyed before',
      lost: 'its resource was lost',
      close: 'the pool was closed',
    }[this.#end]
    return new LeaseReleasedError(
      pool,
      `Pool "${pool}": ${lease} cannot be ${attempt}: ${ended}.`,
      this.#cause === undefined ? undefined : { cause: this.#cause },
    )
  }
}

// A promise that is given a lease looks for a `then`: to find at once that there is none saves it the way to the end of
// the prototype chain, and a contended acquire one part in twenty.
// oxlint-disable-next-line unicorn/no-thenable -- it is none
Object.defineProperty(PooledLease.prototype, 'then', { value: undefined })
