import type { CreateFailure } from './driver.ts'
import type { PoolStats } from './stats.ts'

/** What changed the process: a fork, a start from a snapshot, a restore from a checkpoint, or a long freeze. */
export type ProcessChangeReason = 'fork' | 'snapshot' | 'restore' | 'thaw'

/** How to wait for a resource, and how to hold it. */
export interface AcquireOptions {
  /** Ends the wait when it aborts; `acquire` then rejects with the signal's `reason`. */
  readonly signal?: AbortSignal | undefined
  /**
   * The most that waiting, creating and validating may take together, in milliseconds: at least 0, or `Infinity` for no
   * limit. With 0, it takes only what is idle or can be had at once. Default: the pool's `acquireTimeoutMillis`.
   */
  readonly timeoutMillis?: number | undefined
  /** The place in the queue: lower goes first, equal ones in the order they came. Any number but `NaN`. Default 0. */
  readonly priority?: number | undefined
  /**
   * When this lease has been held for so many milliseconds, the pool emits `leak`. At least 0; 0 never, for a lease that is
   * meant to be held. Default: the pool's `leakDetectionMillis`.
   */
  readonly leakDetectionMillis?: number | undefined
}

/** How to close a pool. */
export interface CloseOptions {
  /**
   * How long holders and waiting callers may go on, in milliseconds: at least 0, or `Infinity` for no limit. Default 30,000.
   */
  readonly deadlineMillis?: number | undefined
}

/** One holder's claim on one resource, good for one use. Ends with `release` or `destroy`; `using` releases it. */
export interface Lease<R> extends Disposable, AsyncDisposable {
  /**
   * The resource.
   * @throws {LeaseReleasedError} when the lease was released or destroyed, or its resource was lost.
   * @throws {StaleResourceError} when this process does not own it.
   */
  readonly resource: R
  /** The generation of the resource: `stats.generation` when it was opened. */
  readonly generation: number
  /** Whether the lease is valid: not released, destroyed, lost or stale. */
  readonly active: boolean
  /**
   * Gives the resource back. Does nothing if this process does not own it, nor at the first call after the resource was lost or
   * the pool has closed.
   * @throws {LeaseReleasedError} when the lease was released or destroyed before; nothing changes then.
   */
  release(): void
  /**
   * Gives the resource back as broken: it is destroyed, and another may take its place. The event `destroy` passes `error` on.
   * Does nothing on a second call, or if this process does not own the resource.
   * @throws {LeaseReleasedError} when the lease has been released: somebody else may hold the resource by now.
   */
  destroy(error?: Error): void
}

/**
 * Why a resource ended:
 *
 * - `broken`: its holder said so;
 * - `lost`: it died by itself;
 * - `invalid`: its validation failed;
 * - `reset`: it could not be reset;
 * - `idle`: it had been idle for `idleTimeoutMillis`;
 * - `lifetime`: it had lived for `maxLifetimeMillis`;
 * - `uses`: it had been lent `maxUses` times;
 * - `trim`: by `trim()`;
 * - `resize`: a lowered `max` left no room for it;
 * - `recycle`, `close`: by `recycle()` or `close()`;
 * - `late`: it was opened after the pool had given up on its create.
 */
export type DestroyReason =
  | 'broken'
  | 'lost'
  | 'invalid'
  | 'reset'
  | 'idle'
  | 'lifetime'
  | 'uses'
  | 'trim'
  | 'resize'
  | 'recycle'
  | 'close'
  | 'late'

/** The events of a pool, and what their listeners receive. `generation` is that of the resource; times are in milliseconds. */
export interface PoolEvents {
  /** A resource was opened, which took `durationMillis`. */
  create: [
    {
      /** The generation of the resource. */
      readonly generation: number
      /** How long `create` took, in milliseconds. */
      readonly durationMillis: number
    },
  ]
  /**
   * A create failed after `durationMillis`, with `error`; `kind` is what the driver's `classify` calls it. So many `failures`
   * came in a row, and the next attempt comes after `retryMillis`.
   */
  createError: [
    {
      /** The generation that the resource would have had. */
      readonly generation: number
      /** How long it took to fail, in milliseconds. */
      readonly durationMillis: number
      /** What the driver rejected with. */
      readonly error: unknown
      /** What it means, by the driver's `classify`. */
      readonly kind: CreateFailure
      /** How many have failed in a row, including this one; 0 if a caller was told of a `single` one. */
      readonly failures: number
      /** The pause before the next attempt, in milliseconds. */
      readonly retryMillis: number
    },
  ]
  /** A resource was destroyed, which took `durationMillis`; `reason` says why, and `error` what ended it, if an error did. */
  destroy: [
    {
      /** The generation of the resource. */
      readonly generation: number
      /** How long `destroy` took, in milliseconds. */
      readonly durationMillis: number
      /** Why it ended. */
      readonly reason: DestroyReason
      /** What ended it, if an error did. */
      readonly error?: unknown
    },
  ]
  /** A `hook` of the driver failed with `error`, or took too long. `create` has an event of its own. */
  hookError: [
    {
      /** The generation of the resource. */
      readonly generation: number
      /** Which hook. */
      readonly hook:
        | 'validate'
        | 'isUsable'
        | 'reset'
        | 'destroy'
        | 'discard'
        | 'watch'
        | 'ref'
        | 'unref'
        | 'classify'
      /** What it threw or rejected with. */
      readonly error: unknown
    },
  ]
  /**
   * A lease has been held for `leakDetectionMillis`: so far for `heldMillis`, by whoever called `acquire` or `use` at `stack`.
   * Emitted once for each lease.
   */
  leak: [
    {
      /** The generation of the resource. */
      readonly generation: number
      /** How long it has been held so far, in milliseconds. */
      readonly heldMillis: number
      /** The stack of the `acquire` or `use`. */
      readonly stack: string
    },
  ]
  /**
   * The process changed, for this `reason`: the pool let go of its resources, of which there were `discarded`, and starts
   * afresh with `generation`. After a `thaw`, it keeps them and the generation goes on: idle resources are validated before
   * they are lent. `incarnation`, counted from 1, is the same for all pools of the process.
   */
  processChange: [
    {
      /** What changed it. */
      readonly reason: ProcessChangeReason
      /** Which incarnation of the process this is, counted from 1: the same number for all its pools. */
      readonly incarnation: number
      /** The generation of the pool that has begun, or goes on. */
      readonly generation: number
      /** How many resources were let go of. */
      readonly discarded: number
    },
  ]
  /** The pool has closed. */
  close: []
}

/**
 * Called for one event of a pool. What it throws is an uncaught exception: the pool goes on, but listeners that were added
 * later do not hear of that event.
 */
export type PoolListener<E extends keyof PoolEvents> = (...details: PoolEvents[E]) => void

/** A pool that stays correct while the process under it changes. */
export interface ForkSafePool<R extends object> extends AsyncDisposable {
  /**
   * Borrows a resource until the lease is released. If the signal aborts first, rejects with its `reason`.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option.
   * @throws {AcquireTimeoutError} (as a rejection) when the time is up.
   * @throws {QueueFullError} (as a rejection) when `maxWaitingClients` callers are already waiting.
   * @throws {CreateError} (as a rejection) when the driver calls a failed create `fatal`, or `single` for this caller.
   * @throws {PoolClosedError} (as a rejection) when the pool is closing or closed.
   * @throws {StaleResourceError} (as a rejection) when the process changed during the wait.
   */
  acquire(options?: AcquireOptions): Promise<Lease<R>>
  /**
   * Borrows a resource while `work` runs, and gives it back however `work` ends: an error of `work` says nothing about the
   * resource. Rejects as `acquire` does, or with what `work` throws. A signal ends the wait, not the work.
   * @throws {TypeError} (as a rejection) when `work` is not a function.
   */
  use<T>(
    work: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T>
  /**
   * Opens resources until `min` are open; with a `min` of 0, there is nothing to open. If the signal aborts first, rejects
   * with its `reason`; what has been opened stays.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option.
   * @throws {CreateError} (as a rejection) when one cannot be opened, with the driver's reason as its `cause`.
   * @throws {PoolClosedError} (as a rejection) when the pool is closing or closed.
   * @throws {StaleResourceError} (as a rejection) when the process changed meanwhile.
   */
  warmUp(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /**
   * Changes `min` and `max` while the pool is in use; what is left out stays. Beyond a lowered `max`, idle resources are
   * destroyed at once and lent ones when they come back.
   * @throws {TypeError} for a wrong or unknown option, or a `min` above `max`; nothing changes then.
   */
  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void
  /**
   * Ends idle resources beyond `min`, those idle for longest first, and returns how many. `count` is the most to end: a whole
   * number of at least 0, or `Infinity`. Default `Infinity`.
   * @throws {TypeError} for any other count.
   */
  trim(count?: number): number
  /**
   * Begins a new generation, to rotate credentials or to leave a failed host. Idle resources are destroyed at once and lent
   * ones when they come back; the next ones are opened with what `connection` says then. Does nothing on a closed pool.
   */
  recycle(): void
  /**
   * Refuses new callers, serves those who wait until the deadline, then destroys what is left. Settles at the latest
   * `destroyTimeoutMillis` after the deadline, and does not reject because a resource would not close. A second call, with
   * whatever options, returns the promise of the first.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option; the pool stays open then.
   */
  close(options?: CloseOptions): Promise<void>
  /** The pool's numbers at this moment. */
  readonly stats: PoolStats
  /**
   * Calls `listener` at each such event.
   * @throws {TypeError} for an unknown event, or a listener that is not a function.
   */
  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /**
   * Calls `listener` at the next such event.
   * @throws {TypeError} as `on` does.
   */
  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /**
   * Removes `listener`.
   * @throws {TypeError} as `on` does.
   */
  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
}
