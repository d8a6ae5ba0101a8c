/** A pool's numbers at one moment. */
export interface PoolStats {
  /** The `name` option. */
  readonly name: string
  /** Counts the pool's generations from 1: a change of process and `recycle()` each begin the next. */
  readonly generation: number
  /** The least number of resources that the pool keeps open. */
  readonly min: number
  /** The most resources that may exist at once. */
  readonly max: number
  /** All that exist and count against `max`, those being created and destroyed among them. */
  readonly size: number
  /** Open, ready, and lent to nobody; those being validated or reset are not among them. */
  readonly idle: number
  /** Lent to a holder. */
  readonly borrowed: number
  /** Callers of `acquire` and `use` in the queue. */
  readonly waiting: number
  /** Resources being created. */
  readonly creating: number
  /** Resources being destroyed. */
  readonly destroying: number
  /**
   * How this process tells that it is not the one that opened the pool: a page of memory that a fork wipes, or the
   * pid or the parent's pid as the operating system has them now; `none` where none of them can be had.
   */
  readonly identity: 'page' | 'pid' | 'ppid' | 'none'
}
