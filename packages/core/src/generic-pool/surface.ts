import type { CreateFailure } from '../api/driver.ts'
import type { BasePoolOptions } from '../api/options.ts'

/**
 * How resources are opened and closed: the three functions of generic-pool, and those with which a fork-safe pool can do more.
 * All are called as methods of the factory.
 */
export interface Factory<T> {
  /**
   * Opens a resource. May take `createTimeoutMillis`. A factory that has `discard` receives a signal, which aborts when nobody
   * wants the resource any more: it must then let go of what it has opened so far as `discard` does.
   */
  create(context?: { readonly signal: AbortSignal }): Promise<T>
  /** Closes a resource politely. Never called in a process that did not open it. May take `destroyTimeoutMillis`. */
  destroy(client: T): Promise<void>
  /** Whether a resource still works. May take `validateTimeoutMillis`. If it says `false` or rejects, the resource ends. */
  validate?(client: T): Promise<boolean>
  /**
   * Lets go of this process's copy of a resource that another process goes on using, as after a fork: no byte, no FIN, no TLS
   * alert. Must be synchronous and must not throw. Also called after a `destroy` that failed. Without it, an inherited resource
   * is merely forgotten, and what it holds open stays open.
   */
  discard?(client: T): void
  /**
   * Removes what the last holder left behind. Runs at release, before anyone else gets the resource. May take
   * `validateTimeoutMillis`. If it rejects, the resource ends.
   */
  reset?(client: T): void | Promise<void>
  /** Called once for each resource. The factory calls `lost` when the resource dies by itself, lent or idle. */
  watch?(client: T, lost: (error: Error) => void): void
  /** Called when the resource is lent: it should keep the process alive. */
  ref?(client: T): void
  /** Called when the resource becomes idle: it should no longer keep the process alive. */
  unref?(client: T): void
  /** What a rejected `create` means for those who wait. Without it, or if it throws, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
}

/**
 * generic-pool's options, and some of core's. Times are in milliseconds. They are read as generic-pool reads them: unknown options
 * are ignored, text may be a number, and what is no number counts as the default.
 */
export interface Options extends Pick<
  BasePoolOptions,
  'name' | 'maxLifetimeMillis' | 'maxUses' | 'backoff' | 'forkDetection'
> {
  /** The most resources that may exist at once, including those being destroyed. At least 1. Default 1. */
  max?: number | undefined
  /** The least number of resources kept open, also after failures. At most `max`. Default 0. */
  min?: number | undefined
  /** How many callers may wait; the next is refused. Default: no limit. */
  maxWaitingClients?: number | undefined
  /** Whether a resource is validated before it is lent. Default `false`. */
  testOnBorrow?: boolean | undefined
  /** Whether a resource is validated when it comes back. Default `false`. */
  testOnReturn?: boolean | undefined
  /** The most that an `acquire` may take. Above 0; 0 and `Infinity` are no limit. Default: no limit. */
  acquireTimeoutMillis?: number | undefined
  /** The most that one `create` may take. Above 0. Default 60,000, also for 0. */
  createTimeoutMillis?: number | undefined
  /** The most that one `validate` or `reset` may take. Above 0. Default 10,000, also for 0. */
  validateTimeoutMillis?: number | undefined
  /** The most that one `destroy` may take. Above 0. Default 10,000, also for 0. */
  destroyTimeoutMillis?: number | undefined
  /** Lends the resource that has been idle for longest, instead of the one that came back last. Default `true`. */
  fifo?: boolean | undefined
  /** How many priorities there are, from 0, which goes first. At least 1. Default 1. */
  priorityRange?: number | undefined
  /** Whether `min` resources are opened at once, and not only by `start` or the first `acquire`. Default `true`. */
  autostart?: boolean | undefined
  /** The time between two looks of the evictor at the idle resources. Default 0: it never looks. */
  evictionRunIntervalMillis?: number | undefined
  /** How many resources it looks at each time. Default 3. */
  numTestsPerEvictionRun?: number | undefined
  /** A resource that has been idle for longer is evicted while more than `min` are idle. Default -1: none is. */
  softIdleTimeoutMillis?: number | undefined
  /** A resource that has been idle for longer is evicted. Default 30,000. */
  idleTimeoutMillis?: number | undefined
  /** The class of the promises that the pool returns. Default: Node's. */
  Promise?: PromiseConstructorLike | undefined
}

/** What an evictor decides by. */
export interface EvictionConfig {
  /** The pool's `softIdleTimeoutMillis`, in milliseconds. */
  readonly softIdleTimeoutMillis: number
  /** The pool's `idleTimeoutMillis`, in milliseconds. */
  readonly idleTimeoutMillis: number
  /** The pool's `min`, which is at most its `max`. */
  readonly min: number
}

/** An idle resource, as an evictor sees it. Times are by the wall clock, in milliseconds. */
export interface PooledResource<T> {
  /** The resource. */
  readonly obj: T
  /** When it was opened. */
  readonly creationTime: number
  /** When it was lent last; `null` if it never was. */
  readonly lastBorrowTime: number | null
  /** When it came back last; `null` if it never did. */
  readonly lastReturnTime: number | null
  /** Since when it has been idle. */
  readonly lastIdleTime: number
  /** Always this: an evictor sees idle resources only. */
  readonly state: 'IDLE'
}

/** Decides which idle resource ends. */
export interface Evictor {
  /** Whether this resource ends, while so many are idle. */
  evict(
    config: EvictionConfig,
    pooledResource: PooledResource<unknown>,
    availableObjectsCount: number,
  ): boolean
}
