/** A pool's numbers at one moment. */
export interface PoolStats {
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
  /**
   * The means by which a change of process is noticed: `page`, a page of memory that a fork wipes; `pid` or `ppid`, this process's
   * or its parent's pid, read from the operating system; `none` if none of these is available. Not enumerable, so that the
   * stats of two pools can be compared.
   */
  readonly identity?: 'page' | 'pid' | 'ppid' | 'none'
}
