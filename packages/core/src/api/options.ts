/** When a pool looks for a change: at every use, at every use until the first change, or only when a hook is called. */
export type ForkDetection = 'always' | 'once' | 'hooks'

/** The options of every pool. Times are in milliseconds; `Infinity` is no limit. */
export interface BasePoolOptions {
  /** In stats, errors and telemetry. At least one character. Default: the driver's name. */
  readonly name?: string | undefined
  /**
   * The least number of resources kept open, also after failures. A whole number of at least 0, and at most `max`. Default 0.
   */
  readonly min?: number | undefined
  /**
   * Whether `min` resources are opened before anyone asks, and again when one is lost. With `false`, `min` only limits what
   * `idleTimeoutMillis` closes, and is what `warmUp()` opens. Default `true`.
   */
  readonly eager?: boolean | undefined
  /**
   * The most resources that may exist at once, including those being destroyed. A whole number of at least 1. Default 10.
   */
  readonly max?: number | undefined
  /**
   * The most creates in flight at once, after MongoDB's option of this name: a pool that opens everything at once, as at a cold
   * start or after `recycle()`, can overload the server. A whole number of at least 1, or `Infinity`. Default 8.
   */
  readonly maxConnecting?: number | undefined
  /**
   * How many callers may wait; the next is refused with `QueueFullError`. Those for whom a resource is being opened, validated
   * or reset, or can still be opened, do not count. A whole number of at least 0. Default `Infinity`.
   */
  readonly maxWaitingClients?: number | undefined
  /**
   * One deadline for waiting, creating and validating. At least 0; with 0, `acquire` takes only what is idle or can
   * be had at once. Default 30,000.
   */
  readonly acquireTimeoutMillis?: number | undefined
  /** The most that one `create` may take. Above 0. Default 10,000. */
  readonly createTimeoutMillis?: number | undefined
  /** The most that one `validate` or `reset` may take. Above 0. Default 2,000. */
  readonly validateTimeoutMillis?: number | undefined
  /** The most that one `destroy` may take; then the resource is discarded. Above 0. Default 5,000. */
  readonly destroyTimeoutMillis?: number | undefined
  /** A resource that has been idle for longer is destroyed, down to `min`. Above 0. Default 60,000. */
  readonly idleTimeoutMillis?: number | undefined
  /**
   * The longest life of a resource. As in HikariCP, each lives up to a tenth less, at random, so that they do not all end at
   * once. A borrowed resource ends when it comes back, never under its holder. Above 0. Default 1,800,000.
   */
  readonly maxLifetimeMillis?: number | undefined
  /**
   * How often a resource may be lent, for resources that grow with each use. A whole number of at least 1. Default `Infinity`.
   */
  readonly maxUses?: number | undefined
  /**
   * Validates a resource before lending it if it has been idle for longer, by the wall clock or the monotonic one. The event
   * loop hears the end of an idle connection by itself. It does not hear a router that drops it silently, which is what this is
   * for. Whatever this says, a resource is validated if the loop cannot have heard its end: after a freeze, and when the loop has
   * been blocked for more than 500 ms, and ever since the resource became idle. At least 0; 0 always validates, `Infinity` never.
   * Default 30,000.
   */
  readonly validateAfterIdleMillis?: number | undefined
  /**
   * Validates a resource in the background each time it has been idle for so long, as HikariCP's keepalive does. At least 0.
   * Default 0: off.
   */
  readonly keepaliveMillis?: number | undefined
  /**
   * The pause after a failed create: random, up to a ceiling that begins at `minMillis` and doubles with each failure up to
   * `maxMillis`. This is the "full jitter" of "Exponential Backoff And Jitter", from the AWS Architecture Blog.
   */
  readonly backoff?:
    | {
        /** A finite number above 0, at most `maxMillis`. Default 50. */
        readonly minMillis?: number | undefined
        /** A finite number above 0. Default 5,000. */
        readonly maxMillis?: number | undefined
      }
    | undefined
  /**
   * Lends the resource that has been idle for longest, instead of the one that came back last: all are used in turn, and none
   * becomes idle for long. Default `false`.
   */
  readonly fifo?: boolean | undefined
  /**
   * Emits `leak`, with the stack of the `acquire`, once a lease has been held for so long. After HikariCP's
   * `leakDetectionThreshold`. At least 0. Default 0: off.
   */
  readonly leakDetectionMillis?: number | undefined
  /** Whether idle resources let the process end, if the driver has `unref`. Default `true`. */
  readonly allowExitOnIdle?: boolean | undefined
  /**
   * `always` looks for a change of process at every use; `once` stops after the first change; `hooks` relies on
   * `afterFork()`. Default `always`.
   */
  readonly forkDetection?: ForkDetection | undefined
}

/** The options of a pool whose driver opens its resources from a `C`. If the driver can do without one, so can they. */
// `C` is what the driver's `create` says. Inferred from a wrong `connection` too, it would be widened until that fits. An
// `infer` keeps it from that; the second branch, which is never taken, is for a `create` that leaves it open, and `& {}` has
// TypeScript prefer what `create` says.
export type PoolOptions<C> = BasePoolOptions &
  ([C] extends [infer D] ? ConnectionOption<D> : Connection<C & {}>)

/** Which `connection` the options have: as long as the driver wants one. */
type ConnectionOption<C> = unknown extends C
  ? { readonly connection?: unknown }
  : [C] extends [void]
    ? { readonly connection?: undefined }
    : undefined extends C
      ? Partial<Connection<C>>
      : Connection<C>

/** What a pool needs to know of where its resources come from. */
interface Connection<C> {
  /** What the driver's `create` receives: a value, or a function that returns one and is called before every create. */
  readonly connection: C | (() => C | Promise<C>)
}
