import type { CreateFailure } from './driver.ts'
import type { ProcessChangeReason } from './identity.ts'
import type { PoolStats } from './stats.ts'

/** How to wait for a resource. */
export interface AcquireOptions {
  /** Gives up the wait when it aborts; the rejection is the signal's `reason`. */
  readonly signal?: AbortSignal | undefined
  /**
   * The most that waiting, creating and validating may take together, in milliseconds. Default: the pool's
   * `acquireTimeoutMillis`. `Infinity` waits for ever, 0 hardly at all: it takes what is idle, or what can be had at once.
   */
  readonly timeoutMillis?: number | undefined
  /** Lower goes first, equal ones in the order they came. Any number; default 0. */
  readonly priority?: number | undefined
  /**
   * Held for longer, in milliseconds, this lease is told of by the event `leak`; 0 never, for one that is meant to be
   * held. Default: the pool's `leakDetectionMillis`.
   */
  readonly leakDetectionMillis?: number | undefined
}

/** How to close a pool. */
export interface CloseOptions {
  /** How long holders and waiting callers may go on, in milliseconds. Default 30,000. */
  readonly deadlineMillis?: number | undefined
}

/** One holder's claim on one resource, good for one use. Ends with `release` or `destroy`; `using` releases it. */
export interface Lease<R> extends Disposable, AsyncDisposable {
  /**
   * The resource.
   * @throws {LeaseReleasedError} once the lease was released or destroyed, or its resource was lost.
   * @throws {StaleResourceError} when this process does not own it.
   */
  readonly resource: R
  /** The generation of the resource. */
  readonly generation: number
  /**
   * Gives the resource back. Does nothing where this process does not own it.
   * @throws {LeaseReleasedError} when the lease has ended already; nothing changes then.
   */
  release(): void
  /**
   * Gives the resource back as broken: it is destroyed, and another may take its place. A second call does nothing, nor
   * does the first where this process does not own the resource.
   * @throws {LeaseReleasedError} when the lease has been released: somebody else may hold the resource by now.
   */
  destroy(error?: Error): void
}

/** Why a resource ended. */
export type DestroyReason =
  | 'broken' // its holder said so
  | 'lost' // it died by itself
  | 'invalid' // its validation failed
  | 'reset' // it could not be reset
  | 'idle' // `idleTimeoutMillis`
  | 'lifetime' // `maxLifetimeMillis`
  | 'uses' // `maxUses`
  | 'resize' // more than a lowered `max`
  | 'recycle'
  | 'close'
  | 'late' // opened after its create had been given up

/** The events of a pool, and what their listeners are given. */
export interface PoolEvents {
  /** A resource was opened. */
  create: [{ readonly generation: number; readonly durationMillis: number }]
  /** A create failed. */
  createError: [
    {
      readonly generation: number
      readonly durationMillis: number
      readonly error: unknown
      readonly kind: CreateFailure
      /** How many failed in a row, this one among them; 0 where somebody was told of a `single` one. */
      readonly failures: number
      /** The pause before the next try, in milliseconds. */
      readonly retryMillis: number
    },
  ]
  /** A resource was destroyed; `error` says what ended it, where an error did. */
  destroy: [
    {
      readonly generation: number
      readonly durationMillis: number
      readonly reason: DestroyReason
      readonly error?: unknown
    },
  ]
  /** A hook of the driver threw, rejected or took too long, outside of `create`. */
  hookError: [
    {
      readonly generation: number
      readonly hook:
        'validate' | 'reset' | 'destroy' | 'discard' | 'watch' | 'ref' | 'unref' | 'classify'
      readonly error: unknown
    },
  ]
  /** A lease has been held for longer than `leakDetectionMillis`; `stack` shows who acquired it. */
  leak: [{ readonly generation: number; readonly heldMillis: number; readonly stack: string }]
  /**
   * The process changed: `discarded` resources were let go of, and the pool starts afresh. After a `thaw` none is let go
   * of, and the generation goes on: idle resources are validated before they are lent.
   */
  processChange: [
    {
      readonly reason: ProcessChangeReason
      /** Which incarnation of the process this is, counted from 1: the same number for all its pools. */
      readonly incarnation: number
      /** The generation of the pool that has begun, or goes on. */
      readonly generation: number
      readonly discarded: number
    },
  ]
  /** The pool has closed. */
  close: []
}

/** Called for one event of a pool. */
export type PoolListener<E extends keyof PoolEvents> = (...details: PoolEvents[E]) => void

/** A pool that stays correct while the process under it changes. */
export interface ForkSafePool<R extends object> extends AsyncDisposable {
  /**
   * Borrows a resource until the lease is released.
   * @throws {AcquireTimeoutError} when the time is up.
   * @throws {QueueFullError} when `maxWaitingClients` wait already.
   * @throws {CreateError} when no create can succeed, by the driver's word.
   * @throws {PoolClosedError} when the pool is closing or closed.
   * @throws {StaleResourceError} when the process changed during the wait.
   */
  acquire(options?: AcquireOptions): Promise<Lease<R>>
  /**
   * Borrows a resource while `work` runs, and gives it back however `work` ends: an error of `work` says nothing of the
   * resource. Rejects as `acquire` does, or with what `work` throws.
   */
  use<T>(
    work: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T>
  /**
   * Opens resources until `min` are open.
   * @throws {CreateError} when one cannot be opened, with the driver's reason as its `cause`.
   */
  warmUp(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /** Changes the size while the pool is in use: what is lent beyond a lowered `max` ends when it comes back. */
  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void
  /**
   * Begins a new generation: idle resources are destroyed, lent ones when they come back, and the next ones are opened
   * with what `connection` says then. Rotates credentials, leaves a failed host.
   */
  recycle(): void
  /**
   * Refuses new callers, serves those who wait until the deadline, then destroys what is left. Always settles, at the
   * latest `destroyTimeoutMillis` after the deadline. Called twice it is one close.
   */
  close(options?: CloseOptions): Promise<void>
  /** The pool's numbers now. */
  readonly stats: PoolStats
  /** Calls `listener` at each such event. */
  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /** Calls `listener` at the next such event. */
  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
  /** Takes `listener` off again. */
  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this
}
