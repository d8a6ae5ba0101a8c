import type { CreateFailure } from '../api/driver.ts'
import type { BasePoolOptions } from '../api/options.ts'

/**
 * Opens and closes resources: the three functions of generic-pool, and optional ones for a fork-safe pool. All are called as
 * methods of the factory.
 */
export interface Factory<T> {
  /**
   * Opens a resource. May take `createTimeoutMillis`. A factory that has `discard` receives a signal, which aborts when the
   * resource is no longer needed. The factory must then discard whatever it has opened so far.
   */
  create(context?: { readonly signal: AbortSignal }): Promise<T>
  /** Closes a resource politely. Never called in a process that did not open it. May take `destroyTimeoutMillis`. */
  destroy(client: T): Promise<void>
  /**
   * Checks whether a resource still works. May take `validateTimeoutMillis`. If it returns `false` or rejects, the resource
   * ends.
   */
  validate?(client: T): Promise<boolean>
  /**
   * Drops this process's copy of a resource that another process still uses, as after a fork: no byte, no FIN, no TLS alert. Must
   * be synchronous and must not throw. Also called after a failed `destroy`. Without it, an inherited resource is only forgotten,
   * and its sockets stay open.
   */
  discard?(client: T): void
  /**
   * Removes the state that the last holder left behind. Runs at release, before anyone else gets the resource. May take
   * `validateTimeoutMillis`. If it rejects, the resource ends.
   */
  reset?(client: T): void | Promise<void>
  /**
   * Watches a resource. Called once for each. The factory calls `lost` when the resource dies by itself, borrowed or idle, and
   * `retire` when it must not be lent again but its holder may finish.
   */
  watch?(client: T, lost: (error: Error) => void, retire: () => void): void
  /** Makes the resource keep the process alive. Called when it is lent. */
  ref?(client: T): void
  /** Stops the resource from keeping the process alive. Called when it becomes idle. */
  unref?(client: T): void
  /** Classifies the error of a rejected `create`. Without it, or if it throws, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
}

/**
 * generic-pool's options, and some of core's. Times are in milliseconds. They are parsed as generic-pool does: unknown options are
 * ignored, numeric strings are accepted, and a value that is not a number means the default. Core's other options are refused.
 */
export interface Options extends Pick<
  BasePoolOptions,
  'name' | 'maxLifetimeMillis' | 'maxUses' | 'backoff' | 'leakDetectionMillis' | 'forkDetection'
> {
  /** The maximum number of resources that exist at once, including those being destroyed. At least 1. Default 1. */
  max?: number | undefined
  /** The minimum number of resources kept open, also after failures. At most `max`. Default 0. */
  min?: number | undefined
  /** The maximum number of waiting callers. Further callers are rejected. Default: no limit. */
  maxWaitingClients?: number | undefined
  /** Validates a resource before it is lent. Default `false`. */
  testOnBorrow?: boolean | undefined
  /** Validates a resource when it is released. Default `false`. */
  testOnReturn?: boolean | undefined
  /** The maximum duration of an `acquire`. Above 0; 0 and `Infinity` mean no limit. Default: no limit. */
  acquireTimeoutMillis?: number | undefined
  /** The maximum duration of one `create`. Above 0. Default 60,000, also for 0. */
  createTimeoutMillis?: number | undefined
  /** The maximum duration of one `validate` or `reset`. Above 0. Default 10,000, also for 0. */
  validateTimeoutMillis?: number | undefined
  /** The maximum duration of one `destroy`. Above 0. Default 10,000, also for 0. */
  destroyTimeoutMillis?: number | undefined
  /** Lends the resource that has been idle for longest instead of the one that was released last. Default `true`. */
  fifo?: boolean | undefined
  /** The number of priorities, from 0, which goes first. At least 1. Default 1. */
  priorityRange?: number | undefined
  /** Opens `min` resources at construction. With `false`, `start` or the first `acquire` opens them. Default `true`. */
  autostart?: boolean | undefined
  /** The interval between two runs of the evictor. Default 0: it never runs. */
  evictionRunIntervalMillis?: number | undefined
  /** The number of resources that the evictor checks in each run. Default 3. */
  numTestsPerEvictionRun?: number | undefined
  /** The time after which an idle resource is evicted while more than `min` are idle. Default -1: never. */
  softIdleTimeoutMillis?: number | undefined
  /** The time after which an idle resource is evicted. Default 30,000. */
  idleTimeoutMillis?: number | undefined
  /** The class of the promises that the pool returns. Default: the global `Promise`. */
  Promise?: PromiseConstructorLike | undefined
}

/** The options that an evictor receives. */
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
  /** The time at which it was opened. */
  readonly creationTime: number
  /** The time at which it was last lent; `null` if never. */
  readonly lastBorrowTime: number | null
  /** The time at which it was last released; `null` if never. */
  readonly lastReturnTime: number | null
  /** The time since which it has been idle. */
  readonly lastIdleTime: number
  /** The state, which is constant: an evictor sees idle resources only. */
  readonly state: 'IDLE'
}

/** Decides which idle resources end. */
export interface Evictor {
  /** Tells whether to end this resource, given the number of idle ones. */
  evict(
    config: EvictionConfig,
    pooledResource: PooledResource<unknown>,
    availableObjectsCount: number,
  ): boolean
}
