import type { DestroyReason } from './pool.ts'

/**
 * The cumulative counters of a pool since it was created. The numbers only rise. A forked child continues from the numbers that it inherits,
 * so that `created` minus all that were destroyed or discarded is never negative.
 */
export interface PoolCounts {
  /** Leases given out, and requests of `share` sent. */
  readonly acquired: number
  /** Callers rejected with `AcquireTimeoutError`. */
  readonly timedOut: number
  /**
   * Callers rejected with another error of the pool: the queue was full, a create failed, the pool closed, or the process changed.
   * Callers that gave up through their signal do not count.
   */
  readonly rejected: number
  /** Resources opened. */
  readonly created: number
  /** Creates that failed. */
  readonly createFailures: number
  /** Resources destroyed, by reason. Those with the reason `late` do not count as `created`. */
  readonly destroyed: Readonly<Record<DestroyReason, number>>
  /**
   * Resources closed without a word to the server: those of another process, and those whose polite end failed, which count
   * as `destroyed` too.
   */
  readonly discarded: number
  /** The time that callers waited until they got a resource, in milliseconds. */
  readonly totalWaitMillis: number
  /**
   * The time for which leases were held, in milliseconds. If the driver has no `validate`, the clock is not read when an idle
   * resource is lent, and such a lease adds nothing.
   */
  readonly totalHoldMillis: number
}

/** A pool's numbers at one moment. */
export interface PoolStats extends PoolCounts {
  /** The `name` option. */
  readonly name: string
  /** The current generation, counted from 1. A change of process and `recycle()` begin the next one. */
  readonly generation: number
  /** The `min` option: the number of resources that the pool keeps open. */
  readonly min: number
  /** The `max` option: the maximum number of resources. */
  readonly max: number
  /**
   * All resources that count towards `max`: those that are idle, borrowed or shared, and those being created, validated, reset or
   * destroyed.
   */
  readonly size: number
  /** Idle resources, not counting those being validated or reset. */
  readonly idle: number
  /** Borrowed resources. */
  readonly borrowed: number
  /** Resources that callers of `share` use together. They are neither idle nor borrowed. */
  readonly shared: number
  /** Requests of `share` that are sent and not answered yet, including those whose caller has given up. */
  readonly inFlight: number
  /** Callers of `acquire`, `use` and `share` in the queue, including those for whom a resource is being opened. */
  readonly waiting: number
  /** Resources being created. */
  readonly creating: number
  /** Resources being destroyed. */
  readonly destroying: number
  /** Bound permits that the pool holds of its budget, including those of resources being destroyed. 0 without a budget. */
  readonly permits: number
  /** Resources that the pool lacks because its budget has not granted a permit yet. 0 without a budget. */
  readonly wanted: number
  /**
   * The means by which a change of process is noticed: `page`, a page of memory that a fork wipes; `pid` or `ppid`, this process's
   * or its parent's pid, read from the operating system; `none` if none of these is available. Not enumerable, so that the
   * stats of two pools can be compared.
   */
  readonly identity?: 'page' | 'pid' | 'ppid' | 'none'
}
