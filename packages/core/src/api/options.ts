import type { Budget } from './budget.ts'

/** When a pool checks for a change of process: at every use, at every use until the first change, or only in `afterFork()`. */
export type ForkDetection = 'always' | 'once' | 'hooks'

/** The options of every pool. Times are in milliseconds. `Infinity` means no limit. */
export interface BasePoolOptions {
  /** The pool's name in stats, errors and telemetry. At least one character. Default: the driver's name. */
  readonly name?: string | undefined
  /**
   * The minimum number of resources kept open, also after failures. A whole number of at least 0, and at most `max`. Default 0.
   */
  readonly min?: number | undefined
  /**
   * Opens `min` resources at once, and replaces those that are lost. With `false`, `min` is only the number that
   * `idleTimeoutMillis` leaves open and that `warmUp()` opens. Default `true`.
   */
  readonly eager?: boolean | undefined
  /**
   * The maximum number of resources that exist at once, including those being destroyed. A whole number of at least 1. Default 10.
   */
  readonly max?: number | undefined
  /**
   * The maximum number of creates in flight at once. A pool that opens all its resources at once, as at a cold start or after
   * `recycle()`, can overload the server. A whole number of at least 1, or `Infinity`. Default 8. Named after MongoDB's option.
   */
  readonly maxConnecting?: number | undefined
  /**
   * A limit that this pool shares with others: `sharedBudget` for the pools of a process, or one of a driver for many processes. With a
   * budget, a pool may hold fewer than `max`, and even fewer than `min`. Default: none.
   */
  readonly budget?: Budget | undefined
  /**
   * The maximum number of requests in flight on one resource that callers of `share` use together. With 1, or if the driver cannot share,
   * each resource serves one request at a time. A whole number of at least 1, or `Infinity`. Default 1: off. A driver may have another default.
   */
  readonly maxInFlight?: number | undefined
  /**
   * The time after which an answer is slow. If a request of `share` with a `key` was slow, no request is sent behind later ones with that
   * key until they are answered. Counted without the time on the network, behind other requests, and in a busy event loop. At least 0.
   * With `Infinity`, no answer is slow. Default 5.
   */
  readonly sealAfterMillis?: number | undefined
  /**
   * The maximum number of waiting callers. Further callers are rejected with `QueueFullError`. Callers for whom a resource is
   * being opened, validated or reset, or can still be opened, do not count. A whole number of at least 0. Default `Infinity`.
   */
  readonly maxWaitingClients?: number | undefined
  /**
   * The maximum duration of an `acquire`: one deadline for waiting, creating and validating. At least 0. With 0, `acquire` takes
   * only a resource that is available at once. Default 30,000.
   */
  readonly acquireTimeoutMillis?: number | undefined
  /** The maximum duration of one `create`. Above 0. Default 10,000. */
  readonly createTimeoutMillis?: number | undefined
  /** The maximum duration of one `validate` or `reset`. Above 0. Default 2,000. */
  readonly validateTimeoutMillis?: number | undefined
  /** The maximum duration of one `destroy`. After it, the resource is discarded. Above 0. Default 5,000. */
  readonly destroyTimeoutMillis?: number | undefined
  /** The time after which an idle resource is destroyed, as long as more than `min` exist. Above 0. Default 60,000. */
  readonly idleTimeoutMillis?: number | undefined
  /**
   * The maximum lifetime of a resource. As in HikariCP, a random part of up to a tenth is subtracted for each resource, so that
   * they do not all end at once. A borrowed resource ends only when it is released. Above 0. Default 1,800,000.
   */
  readonly maxLifetimeMillis?: number | undefined
  /**
   * The number of times that a resource may be lent, for resources that grow with each use. A whole number of at least 1.
   * Default `Infinity`.
   */
  readonly maxUses?: number | undefined
  /**
   * The idle time after which a resource is validated before it is lent, by the wall clock or the monotonic clock. The event loop
   * notices when a server closes an idle connection. It does not notice when a router drops one silently: this option covers
   * that case. Regardless of this option, a resource is validated if the event loop could not have noticed its end: after a
   * freeze, and if the loop has been blocked for more than 500 ms and ever since the resource became idle. At least 0. With 0,
   * always validates; with `Infinity`, never. Default 30,000.
   */
  readonly validateAfterIdleMillis?: number | undefined
  /**
   * The idle time after which a resource is validated in the background, repeatedly, like HikariCP's keepalive. At least 0.
   * Default 0: off.
   */
  readonly keepaliveMillis?: number | undefined
  /**
   * The pause after a failed create. It is random, up to a ceiling that begins at `minMillis` and doubles with each failure up to
   * `maxMillis`. This is "full jitter" from "Exponential Backoff And Jitter", AWS Architecture Blog.
   */
  readonly backoff?:
    | {
        /** The first ceiling. A finite number above 0, at most `maxMillis`. Default 50. */
        readonly minMillis?: number | undefined
        /** The highest ceiling. A finite number above 0. Default 5,000. */
        readonly maxMillis?: number | undefined
      }
    | undefined
  /**
   * Lends the resource that has been idle for longest instead of the one that was released last. All resources are then used in
   * turn, and none stays idle for long. Default `false`.
   */
  readonly fifo?: boolean | undefined
  /**
   * The time after which a lease that is still held is reported by the event `leak`, with the stack of the `acquire`. Like
   * HikariCP's `leakDetectionThreshold`. At least 0. Default 0: off.
   */
  readonly leakDetectionMillis?: number | undefined
  /** Lets the process exit while resources are idle, if the driver has `unref`. Default `true`. */
  readonly allowExitOnIdle?: boolean | undefined
  /**
   * When the pool checks for a change of process: `always` checks at every use, `once` stops after the first change, and `hooks`
   * relies on `afterFork()`. Default `always`.
   */
  readonly forkDetection?: ForkDetection | undefined
}

/** The options of a pool whose driver takes a connection of type `C`. If the driver needs none, `connection` is optional. */
// `C` must be inferred from the driver's `create` alone. If TypeScript also inferred it from a wrong `connection`, it would widen
// `C` until the value fits. `infer` prevents this. The second branch is never taken; it serves a `create` that leaves `C` open,
// and `& {}` makes TypeScript prefer the type in `create`.
export type PoolOptions<C> = BasePoolOptions &
  ([C] extends [infer D] ? ConnectionOption<D> : Connection<C & {}>)

/** The `connection` option: required, optional or absent, depending on what the driver accepts. */
type ConnectionOption<C> = unknown extends C
  ? { readonly connection?: unknown }
  : [C] extends [void]
    ? { readonly connection?: undefined }
    : undefined extends C
      ? Partial<Connection<C>>
      : Connection<C>

/** The options of a pool whose driver needs a connection. */
interface Connection<C> {
  /** The argument of the driver's `create`: a value, or a function that returns one and is called before every create. */
  readonly connection: C | (() => C | Promise<C>)
}
