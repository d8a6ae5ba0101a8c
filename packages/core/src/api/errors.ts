import { kindOf } from '../tools/rules.ts'
import { setCause } from '../tools/thrown.ts'
import type { PoolStats } from './stats.ts'

/** The base class of all errors that a pool itself raises. The driver's own error is the `cause`. */
export abstract class PoolError extends Error {
  /** A stable code for comparisons. Messages may change between versions. */
  abstract readonly code: string
  /** The name of the pool that raised the error. */
  readonly pool: string

  /** @internal */
  constructor(pool: string, message: string, options?: ErrorOptions) {
    super(message)
    this.pool = pool
    if (options !== undefined && 'cause' in options) setCause(this, options.cause)
  }
}

/**
 * The phase of an `acquire` that timed out: waiting for a borrowed resource, for a new one, for a validation, or for a permit of the
 * budget.
 */
export type AcquirePhase = 'waiting' | 'creating' | 'validating' | 'budget'

/**
 * No resource was available in time. If creates are failing, the last failure is the `cause`. As in HikariCP, the message
 * contains the pool's numbers.
 */
export class AcquireTimeoutError extends PoolError {
  readonly code = 'FORKSAFE_ACQUIRE_TIMEOUT'
  /** How long the caller waited, in milliseconds. */
  readonly waitedMillis: number
  /** The phase that the caller was in when the time was up. */
  readonly phase: AcquirePhase
  /** The pool's numbers when the time was up. This caller counts as waiting. */
  readonly stats: PoolStats
  /** In the phase `budget`: who holds the permits, as far as it is known. Otherwise empty. */
  readonly holders: readonly string[]

  /** @internal */
  constructor(
    stats: PoolStats,
    waitedMillis: number,
    phase: AcquirePhase,
    failure: { readonly error: unknown } | undefined,
    longestHeldMillis: number,
    holders: readonly string[] = [],
  ) {
    super(
      stats.name,
      `${numbersOf(stats)}: no resource within ${Math.round(waitedMillis)} ms (${phase}).` +
        exhaustionOf(stats, longestHeldMillis) +
        (phase === 'budget' ? budgetOf(stats, holders) : '') +
        (failure === undefined ? '' : ` The last create failed: ${messageOf(failure.error)}`),
      failure === undefined ? undefined : { cause: failure.error },
    )
    this.waitedMillis = waitedMillis
    this.phase = phase
    this.stats = stats
    this.holders = holders
  }
}

/** The queue is full: `maxWaitingClients` callers are already waiting. */
export class QueueFullError extends PoolError {
  readonly code = 'FORKSAFE_QUEUE_FULL'

  /** @internal */
  constructor(stats: PoolStats, maxWaitingClients: number) {
    super(
      stats.name,
      `${numbersOf(stats)}: the queue is full (\`maxWaitingClients\` is ${maxWaitingClients}).`,
    )
  }
}

/**
 * A resource could not be created. Raised for a failure that the driver classifies as `fatal`, for one classified as `single`
 * (for one caller), and by `warmUp`. The driver's error is the `cause`.
 */
export class CreateError extends PoolError {
  readonly code = 'FORKSAFE_CREATE_FAILED'

  /** @internal */
  constructor(stats: PoolStats, cause: unknown) {
    super(stats.name, `${numbersOf(stats)}: create failed: ${messageOf(cause)}`, { cause })
  }
}

/** The pool is closing or closed. */
export class PoolClosedError extends PoolError {
  readonly code = 'FORKSAFE_POOL_CLOSED'

  /** @internal */
  constructor(stats: PoolStats, state: 'closing' | 'closed') {
    super(stats.name, `${numbersOf(stats)}: the pool is ${state}.`)
  }
}

/** The lease has ended: it was released or destroyed, or its resource was lost. In the last case, the `cause` tells how. */
export class LeaseReleasedError extends PoolError {
  readonly code = 'FORKSAFE_LEASE_RELEASED'
}

/** The resource, or the call that waited for one, belongs to the process that this one was copied from. */
export class StaleResourceError extends PoolError {
  readonly code = 'FORKSAFE_STALE_RESOURCE'

  /** @internal */
  constructor(pool: string, what: string) {
    super(
      pool,
      `Pool "${pool}": ${what} belongs to the process that this one was copied from. Acquire one of your own.`,
    )
  }
}

// Set on the prototypes, so that stack traces begin with these names.
AcquireTimeoutError.prototype.name = 'AcquireTimeoutError'
QueueFullError.prototype.name = 'QueueFullError'
CreateError.prototype.name = 'CreateError'
PoolClosedError.prototype.name = 'PoolClosedError'
LeaseReleasedError.prototype.name = 'LeaseReleasedError'
StaleResourceError.prototype.name = 'StaleResourceError'

function numbersOf(stats: PoolStats): string {
  const { name, max, size, idle, borrowed, shared, inFlight, waiting, creating, destroying } = stats
  const requests = inFlight > 0 ? `shared ${shared}, in flight ${inFlight}, ` : ''
  return (
    `Pool "${name}" (size ${size} of ${max}, idle ${idle}, borrowed ${borrowed}, ${requests}` +
    `waiting ${waiting}, creating ${creating}, destroying ${destroying})`
  )
}

/** If every resource is borrowed: says so, for how long, and the most common reason. */
function exhaustionOf({ borrowed, max }: PoolStats, longestHeldMillis: number): string {
  if (borrowed < max) return ''
  return (
    ` Every resource is borrowed, the longest for at least ${Math.floor(longestHeldMillis)} ms.` +
    ' Does the callback of a `use` or `transaction` call the pool, such as `pool.query`? Then it waits for itself:' +
    ' use the resource that the callback receives.'
  )
}

function budgetOf({ permits, wanted }: PoolStats, holders: readonly string[]): string {
  const held = holders.length === 0 ? '' : ` Held by ${holders.join(', ')}.`
  return ` The budget has no permit for another resource (permits ${permits}, wanted ${wanted}).${held}`
}

type Failure = AggregateError & NodeJS.ErrnoException

/** Formats a foreign error. Never throws. */
function messageOf(error: unknown): string {
  try {
    // If a host refuses connections at all of its addresses, Node's error has an empty message.
    const { message, errors = [], code, name } = Object(error) as Partial<Failure>
    // It may be a configuration with a password.
    if (typeof message !== 'string') return `${kindOf(error)} in place of an error`
    return message || errors.map(messageOf).join(', ') || String(code ?? name)
  } catch {
    return 'an error that cannot be shown'
  }
}
