import type { CreateFailure } from '../driver.ts'
import type { BasePoolOptions } from '../options.ts'

/**
 * How resources are made and ended: generic-pool's three functions, and what a fork-safe pool can do more with. All are
 * called as methods of the factory.
 */
export interface Factory<T> {
  /**
   * Opens a resource. A factory that has `discard` is given a signal, which aborts when nobody wants the resource any more:
   * then lets go of what it had begun as `discard` does.
   */
  create(context?: { readonly signal: AbortSignal }): Promise<T>
  /** Closes a resource politely. Never called in a process that did not open it. */
  destroy(client: T): Promise<void>
  /** Whether a resource still works. `false` and a rejection both end it. */
  validate?(client: T): Promise<boolean>
  /**
   * Lets go of the process's copy of a resource that another process goes on using, as after a fork: no byte, no FIN, no TLS
   * alert; synchronous. Also called after a `destroy` that failed. Without it an inherited resource is forgotten, no more.
   */
  discard?(client: T): void
  /** Takes away what the last holder left behind. Runs at release, before anyone else gets the resource. */
  reset?(client: T): void | Promise<void>
  /** Calls `lost` once the resource has died by itself, lent or idle. */
  watch?(client: T, lost: (error: Error) => void): void
  /** A lent resource holds the process open. */
  ref?(client: T): void
  /** An idle one does not. */
  unref?(client: T): void
  /** What a rejected `create` means for those who wait. Without it, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
}

/** generic-pool's options, and some of core's. What is none of them is passed over, as there. */
export interface Options extends Pick<
  BasePoolOptions,
  'name' | 'maxLifetimeMillis' | 'maxUses' | 'backoff' | 'forkDetection'
> {
  /** The most resources that may exist at once, those being destroyed among them. Default 1. */
  max?: number | undefined
  /** The least number of resources kept open, also after failures; at most `max`. Default 0. */
  min?: number | undefined
  /** How many callers may wait; the next is refused. Default: no limit. */
  maxWaitingClients?: number | undefined
  /** Whether `validate` is asked before a resource is lent. Default `false`. */
  testOnBorrow?: boolean | undefined
  /** Whether `validate` is asked when a resource comes back. Default `false`. */
  testOnReturn?: boolean | undefined
  /** The most that an `acquire` may take. Default: no limit. */
  acquireTimeoutMillis?: number | undefined
  /** The most that one `create` may take. Default 60,000. */
  createTimeoutMillis?: number | undefined
  /** The most that one `validate` or `reset` may take. Default 10,000. */
  validateTimeoutMillis?: number | undefined
  /** The most that one `destroy` may take. Default 10,000. */
  destroyTimeoutMillis?: number | undefined
  /** Lends the resource that has been idle for longest, instead of the one that came back last. Default `true`. */
  fifo?: boolean | undefined
  /** How many priorities there are, from 0, the highest. Default 1. */
  priorityRange?: number | undefined
  /** Whether `min` resources are opened before `start` or the first `acquire`. Default `true`. */
  autostart?: boolean | undefined
  /** How often the evictor looks at the idle resources, in milliseconds. Default 0: never. */
  evictionRunIntervalMillis?: number | undefined
  /** How many resources it looks at each time. Default 3. */
  numTestsPerEvictionRun?: number | undefined
  /** Idle for longer, a resource may be evicted while more than `min` are idle. Default -1: none. */
  softIdleTimeoutMillis?: number | undefined
  /** Idle for longer, a resource is evicted. Default 30,000. */
  idleTimeoutMillis?: number | undefined
  /** The promises that the pool gives. Default: Node's. */
  Promise?: PromiseConstructorLike | undefined
}

/** What an evictor goes by. */
export interface EvictionConfig {
  /** The option. */
  readonly softIdleTimeoutMillis: number
  /** The option. */
  readonly idleTimeoutMillis: number
  /** The option, which is at most `max`. */
  readonly min: number
}

/** An idle resource, as an evictor sees it. Times are by the wall clock, in milliseconds. */
export interface PooledResource<T> {
  /** The resource. */
  readonly obj: T
  /** When it was opened. */
  readonly creationTime: number
  /** When it was lent last; `null` where it never was. */
  readonly lastBorrowTime: number | null
  /** When it came back last; `null` where it never did. */
  readonly lastReturnTime: number | null
  /** Since when it is idle. */
  readonly lastIdleTime: number
  /** An evictor sees no other. */
  readonly state: 'IDLE'
}

/** Decides which idle resource ends. */
export interface Evictor {
  /** Whether this one ends, where so many are idle. */
  evict(
    config: EvictionConfig,
    pooledResource: PooledResource<unknown>,
    availableObjectsCount: number,
  ): boolean
}
