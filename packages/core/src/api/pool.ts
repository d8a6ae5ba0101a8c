import type { CreateFailure, HookName } from './driver.ts'
import type { PoolStats } from './stats.ts'

/** The kind of process change: a fork, a start from a snapshot, a restore from a checkpoint, or the end of a long freeze. */
export type ProcessChangeReason = 'fork' | 'snapshot' | 'restore' | 'thaw'

/** The options of `acquire` and `use`. */
export interface AcquireOptions {
  /** Cancels the wait when it aborts. `acquire` then rejects with the signal's `reason`. */
  readonly signal?: AbortSignal | undefined
  /**
   * The maximum duration of waiting, creating and validating together, in milliseconds: at least 0, or `Infinity` for no
   * limit. With 0, takes only a resource that is available at once. Default: the pool's `acquireTimeoutMillis`.
   */
  readonly timeoutMillis?: number | undefined
  /** The priority in the queue: lower goes first, equal ones in order of arrival. Any number except `NaN`. Default 0. */
  readonly priority?: number | undefined
  /**
   * The time in milliseconds after which the pool emits `leak` for this lease. At least 0. With 0, never: for a lease that is
   * held for long on purpose. Default: the pool's `leakDetectionMillis`.
   */
  readonly leakDetectionMillis?: number | undefined
}

/** The options of `share`. `leakDetectionMillis` has no effect, because a request holds no lease. */
export interface ShareOptions extends AcquireOptions {
  /**
   * Cancels the request when it aborts. `share` then rejects with the signal's `reason`. A request that is already sent keeps its place
   * on the resource until it is answered.
   */
  readonly signal?: AbortSignal | undefined
  /** The maximum duration of the wait until the request is sent, in milliseconds. Otherwise like that of `acquire`. */
  readonly timeoutMillis?: number | undefined
  /** With `true`, no request is sent behind this one until it is answered: for one that may be slow. Default `false`. */
  readonly seal?: boolean | undefined
  /**
   * A name for requests of the same kind, such as the text of a statement. If one of them was slower than `sealAfterMillis`, later ones are
   * sealed. Default: none.
   */
  readonly key?: string | undefined
}

/** The options of `close`. */
export interface CloseOptions {
  /**
   * The time that holders and waiting callers have to finish, in milliseconds: at least 0, or `Infinity` for no limit. Default
   * 30,000.
   */
  readonly deadlineMillis?: number | undefined
}

/** One holder's claim on one resource, valid for one use. Ends with `release` or `destroy`. `using` releases it. */
export interface Lease<R> extends Disposable, AsyncDisposable {
  /**
   * The resource.
   * @throws {LeaseReleasedError} if the lease was released or destroyed, or its resource was lost.
   * @throws {StaleResourceError} if this process does not own the resource.
   */
  readonly resource: R
  /** The generation of the resource: the value of `stats.generation` when it was opened. */
  readonly generation: number
  /** The id of the resource. No other resource of this process has or had the same. */
  readonly id: number
  /** Tells whether the lease is valid: not released, destroyed, lost or stale. */
  readonly active: boolean
  /**
   * Returns the resource to the pool. Does nothing if this process does not own the resource. The first call after the resource
   * was lost or the pool has closed also does nothing.
   * @throws {LeaseReleasedError} if the lease was already released or destroyed. Nothing changes then.
   */
  release(): void
  /**
   * Returns the resource as broken. The pool destroys it, and may open a replacement. The event `destroy` contains `error`.
   * Does nothing on a second call, or if this process does not own the resource.
   * @throws {LeaseReleasedError} if the lease was already released: another caller may hold the resource now.
   */
  destroy(error?: Error): void
}

/**
 * The reason why a resource ended:
 *
 * - `broken`: its holder called `destroy`, a hook for sharing threw, or no caller waited any more for the answers that were missing;
 * - `lost`: it died by itself;
 * - `invalid`: `validate` failed;
 * - `reset`: `reset` failed;
 * - `idle`: it had been idle for `idleTimeoutMillis`;
 * - `lifetime`: it had lived for `maxLifetimeMillis`;
 * - `uses`: it had been lent `maxUses` times;
 * - `trim`: by `trim()`;
 * - `resize`: a lowered `max` left no room for it;
 * - `retire`: the driver called `retire`, because its server announced its end;
 * - `recycle`, `close`: by `recycle()` or `close()`;
 * - `late`: it was opened after the pool had given up on its create;
 * - `budget`: its permit was given to another member of the budget, or the budget had none for it.
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
  | 'retire'
  | 'recycle'
  | 'close'
  | 'late'
  | 'budget'

/** The fields of every event about a resource. */
export interface ResourceEvent {
  /** The id of the resource, also `lease.id`. For a failed create: the id that it would have had. */
  readonly id: number
  /** The generation of the resource. For a failed create: the generation that it would have had. */
  readonly generation: number
}

/** The fields of every event at the end of a driver's hook. */
export interface HookEvent extends ResourceEvent {
  /** The duration of the hook, in milliseconds. */
  readonly durationMillis: number
}

/** The details of `createError`. */
export interface CreateErrorEvent extends HookEvent {
  /** The driver's error. If it rejected with anything else, a `TypeError` that names the kind. */
  readonly error: unknown
  /** The result of the driver's `classify`. */
  readonly kind: CreateFailure
  /** The number of consecutive failures, including this one. 0 for a `single` failure that rejected a caller. */
  readonly failures: number
  /** The pause before the next attempt, in milliseconds. */
  readonly retryMillis: number
}

/** The details of `destroy`. */
export interface DestroyEvent extends HookEvent {
  /** The reason why the resource ended. */
  readonly reason: DestroyReason
  /** The error that ended it, if there was one. */
  readonly error?: unknown
}

/** The details of `hookError`. */
export interface HookErrorEvent extends ResourceEvent {
  /** The name of the hook. */
  readonly hook: HookName
  /** The error that it threw or rejected with. */
  readonly error: unknown
}

/** The details of `leak`. */
export interface LeakEvent extends ResourceEvent {
  /** The time for which the lease has been held so far, in milliseconds. Without leak detection: at least that. */
  readonly heldMillis: number
  /** The stack of the call of `acquire` or `use`. `undefined` without leak detection. */
  readonly stack: string | undefined
}

/** The details of `processChange`. */
export interface ProcessChangeEvent {
  /** The kind of change. */
  readonly reason: ProcessChangeReason
  /** The incarnation of the process, counted from 1. The same number for all pools of the process. */
  readonly incarnation: number
  /** The pool's current generation: a new one, except after a `thaw`. */
  readonly generation: number
  /** The number of discarded resources. */
  readonly discarded: number
}

/** The events of a pool and their details. */
export interface PoolEvents {
  /** A resource was opened. */
  create: [HookEvent]
  /** A create failed. The next attempt follows after `retryMillis`. */
  createError: [CreateErrorEvent]
  /** A resource was destroyed. */
  destroy: [DestroyEvent]
  /** A hook of the driver failed or took too long. For `create`, there is the event `createError`. */
  hookError: [HookErrorEvent]
  /** A lease has been held for `leakDetectionMillis`, or until the deadline of `close` ended it. Emitted once for each lease. */
  leak: [LeakEvent]
  /** The process changed, and the pool has discarded its resources. After a `thaw`, it keeps them, and validates idle ones before it lends them. */
  processChange: [ProcessChangeEvent]
  /** The pool has closed. */
  close: []
}

/**
 * A listener for one event of a pool. If it throws, the error becomes an uncaught exception: the pool continues, but listeners
 * that were added later are not called for that event.
 */
export type PoolListener<E extends keyof PoolEvents> = (...details: PoolEvents[E]) => void

/** A pool that stays correct while the process under it changes. */
export interface ForkSafePool<R extends object> extends AsyncDisposable {
  /**
   * Borrows a resource until the lease is released. If the signal aborts first, rejects with its `reason`.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option.
   * @throws {AcquireTimeoutError} (as a rejection) if no resource is available in time.
   * @throws {QueueFullError} (as a rejection) if `maxWaitingClients` callers are already waiting.
   * @throws {CreateError} (as a rejection) if a create fails with a `fatal` error, or with a `single` one for this caller.
   * @throws {PoolClosedError} (as a rejection) if the pool is closing or closed.
   * @throws {StaleResourceError} (as a rejection) if the process changed during the wait.
   */
  acquire(options?: AcquireOptions): Promise<Lease<R>>
  /**
   * Borrows a resource while `work` runs. Releases it afterwards, also if `work` fails, because its error says nothing about the
   * resource. Rejects like `acquire`, or with the error of `work`. A signal cancels the wait, not the work.
   * @throws {TypeError} (as a rejection) if `work` is not a function.
   */
  use<T>(
    work: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T>
  /**
   * Sends one request on a resource that other requests may use at the same time, and resolves with its answer. `work` must send the
   * request synchronously, return the promise of its answer, and keep nothing. It may run later than this call, when there is room.
   * Requests that must not run behind each other, or that leave state behind, need `use` or `acquire`.
   *
   * If the resource dies, every request that was sent on it rejects, and none is repeated. If the driver cannot share, or
   * `maxInFlight` is 1, the resource serves only this request meanwhile. Rejects like `acquire`, or with the error of `work`.
   * @throws {TypeError} (as a rejection) if `work` is not a function, or does not return a promise.
   * @throws {PoolClosedError} (as a rejection) also if the deadline of `close` has passed before the answer.
   * @throws {StaleResourceError} (as a rejection) also if the process has changed before the answer.
   */
  share<T>(work: (resource: R) => PromiseLike<T>, options?: ShareOptions): Promise<T>
  /**
   * Opens resources until `min` are open, and at least one, so that a program can fail at its start. If the signal aborts first, rejects with its `reason`;
   * resources that are already open remain open.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option.
   * @throws {CreateError} (as a rejection) if a resource cannot be opened, with the driver's error as the `cause`.
   * @throws {PoolClosedError} (as a rejection) if the pool is closing or closed.
   * @throws {StaleResourceError} (as a rejection) if the process changes meanwhile.
   */
  warmUp(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /**
   * Changes `min` and `max` while the pool is in use. An omitted value stays as it is. If there are more resources than a lowered
   * `max` allows, idle ones are destroyed at once and borrowed ones when they are released.
   * @throws {TypeError} for a wrong or unknown option, or a `min` above `max`. Nothing changes then.
   */
  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void
  /**
   * Ends idle resources beyond `min`, longest idle first. Returns their number. `count` is the maximum: a whole number of at
   * least 0, or `Infinity`. Default `Infinity`.
   * @throws {TypeError} for any other count.
   */
  trim(count?: number): number
  /**
   * Begins a new generation, to rotate credentials or to leave a failed host. Idle resources are destroyed at once and borrowed
   * ones when they are released. New ones are opened with the current value of `connection`. Does nothing on a closed pool.
   */
  recycle(): void
  /**
   * Closes the pool: rejects new callers, serves waiting ones until the deadline, then destroys the remaining resources. Settles
   * at most `destroyTimeoutMillis` after the deadline. Does not reject if a resource fails to close. A second call returns the
   * promise of the first, whatever its options.
   * @throws {TypeError} (as a rejection) for a wrong or unknown option. The pool stays open then.
   */
  close(options?: CloseOptions): Promise<void>
  /** The pool's numbers at this moment. */
  readonly stats: PoolStats
  /**
   * Calls `listener` at each event of this name.
   * @throws {TypeError} for an unknown event, or a listener that is not a function.
   */
  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /**
   * Calls `listener` at the next event of this name.
   * @throws {TypeError} like `on`.
   */
  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /**
   * Removes `listener`.
   * @throws {TypeError} like `on`.
   */
  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
}
