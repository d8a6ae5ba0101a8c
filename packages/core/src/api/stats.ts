/** A pool's numbers at one moment. */
export interface PoolStats {
  /** The `name` option. */
  readonly name: string
  /** The pool's generations, counted from 1: a change of process and `recycle()` each begin the next. */
  readonly generation: number
  /** The least number of resources that the pool keeps open. */
  readonly min: number
  /** The most resources that may exist at once. */
  readonly max: number
  /** All that exist and count towards `max`, including those being created or destroyed. */
  readonly size: number
  /** Open, ready and lent to nobody; not those being validated or reset. */
  readonly idle: number
  /** Lent to a holder. */
  readonly borrowed: number
  /** Callers of `acquire` and `use` in the queue, including those for whom a resource is coming. */
  readonly waiting: number
  /** Resources being created. */
  readonly creating: number
  /** Resources being destroyed. */
  readonly destroying: number
  /**
   * How this process notices that it is not the one that opened the pool: by a page of memory that a fork wipes, or by its
   * pid or its parent's pid, as the operating system has them now; `none` if it has none of these. Not enumerable: two
   * pools' numbers compare without it.
   */
  readonly identity?: 'page' | 'pid' | 'ppid' | 'none'
}
