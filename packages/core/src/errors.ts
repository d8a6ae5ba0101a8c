import type { PoolStats } from './stats.ts'

/** What every error of a pool is made of beside its message. */
export interface PoolErrorOptions {
  /** The `name` option of the pool that raises it. */
  readonly pool: string
  /** What brought it about, where that was another error. */
  readonly cause?: unknown
}

/** The ancestor of every error that a pool itself raises. An error of the driver comes as its `cause`. */
export abstract class PoolError extends Error {
  /** A word that stays the same when messages change: compare this one. */
  abstract readonly code: string
  /** The `name` option of the pool that raised it. */
  readonly pool: string

  constructor(message: string, options: PoolErrorOptions) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.pool = options.pool
  }
}

/** What an `acquire` was waiting for when its time was up: a resource in use, a new one, or an idle one under test. */
export type AcquirePhase = 'waiting' | 'creating' | 'validating'

/** An `acquire` got no resource within its time. The last failed create, while the server is failing, is its `cause`. */
export class AcquireTimeoutError extends PoolError {
  readonly code = 'FORKSAFE_ACQUIRE_TIMEOUT'
  /** How long the caller waited, in milliseconds. */
  readonly waitedMillis: number
  /** What the caller was waiting for at the end. */
  readonly phase: AcquirePhase
  /** The pool's numbers at the end, this caller counted as waiting. */
  readonly stats: PoolStats

  constructor(
    message: string,
    options: PoolErrorOptions & { waitedMillis: number; phase: AcquirePhase; stats: PoolStats },
  ) {
    super(message, options)
    this.waitedMillis = options.waitedMillis
    this.phase = options.phase
    this.stats = options.stats
  }
}

/** As many callers wait already as `maxWaitingClients` allows. */
export class QueueFullError extends PoolError {
  readonly code = 'FORKSAFE_QUEUE_FULL'
}

/** A resource could not be created. What the driver said is the `cause`. */
export class CreateError extends PoolError {
  readonly code = 'FORKSAFE_CREATE_FAILED'
}

/** The pool is closing or closed. */
export class PoolClosedError extends PoolError {
  readonly code = 'FORKSAFE_POOL_CLOSED'
}

/** The lease has ended: it was released, destroyed, or its resource was lost (then the `cause` says how). */
export class LeaseReleasedError extends PoolError {
  readonly code = 'FORKSAFE_LEASE_RELEASED'
}

/** The resource, or the wait for one, belongs to the process that this one was copied from. */
export class StaleResourceError extends PoolError {
  readonly code = 'FORKSAFE_STALE_RESOURCE'
}

// On the prototypes, so that the first line of a stack says it too.
AcquireTimeoutError.prototype.name = 'AcquireTimeoutError'
QueueFullError.prototype.name = 'QueueFullError'
CreateError.prototype.name = 'CreateError'
PoolClosedError.prototype.name = 'PoolClosedError'
LeaseReleasedError.prototype.name = 'LeaseReleasedError'
StaleResourceError.prototype.name = 'StaleResourceError'
