import { inspect } from 'node:util'
import type { PoolStats } from './stats.ts'

/** The base class of every error that a pool itself raises. The driver's own error is its `cause`. */
export abstract class PoolError extends Error {
  /** Stays the same when messages change: compare this. */
  abstract readonly code: string
  /** The `name` option of the pool that raised it. */
  readonly pool: string

  /** @internal */
  constructor(pool: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.pool = pool
  }
}

/** What an `acquire` was waiting for when its time was up: a resource in use, a new one, or an idle one under test. */
export type AcquirePhase = 'waiting' | 'creating' | 'validating'

/**
 * An `acquire` got no resource in time. If creates are failing, the last failure is its `cause`. The pool's numbers are in the
 * message, as in HikariCP's.
 */
export class AcquireTimeoutError extends PoolError {
  readonly code = 'FORKSAFE_ACQUIRE_TIMEOUT'
  /** How long the caller waited, in milliseconds. */
  readonly waitedMillis: number
  /** What the caller was waiting for at the end. */
  readonly phase: AcquirePhase
  /** The pool's numbers at the end, counting this caller as waiting. */
  readonly stats: PoolStats

  /** @internal */
  constructor(
    stats: PoolStats,
    waitedMillis: number,
    phase: AcquirePhase,
    failure: { readonly error: unknown } | undefined,
  ) {
    super(
      stats.name,
      `${numbersOf(stats)}: no resource within ${Math.round(waitedMillis)} ms (${phase}).` +
        (failure === undefined ? '' : ` The last create failed: ${messageOf(failure.error)}`),
      failure === undefined ? undefined : { cause: failure.error },
    )
    this.waitedMillis = waitedMillis
    this.phase = phase
    this.stats = stats
  }
}

/** `maxWaitingClients` callers are already waiting. */
export class QueueFullError extends PoolError {
  readonly code = 'FORKSAFE_QUEUE_FULL'

  /** @internal */
  constructor(stats: PoolStats, maxWaitingClients: number) {
    super(
      stats.name,
      `${numbersOf(stats)}: nobody else may wait (\`maxWaitingClients\` is ${maxWaitingClients}).`,
    )
  }
}

/**
 * A resource could not be created: the driver calls the failure `fatal`, or `single` and this caller is the one to be told, or
 * `warmUp` met it. What the driver rejected with is the `cause`.
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

/** The lease has ended: it was released or destroyed, or its resource was lost; then the `cause` says how. */
export class LeaseReleasedError extends PoolError {
  readonly code = 'FORKSAFE_LEASE_RELEASED'
}

/** The resource, or the wait for one, belongs to the process that this one was copied from. */
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

// On the prototypes, so that the first line of a stack says it too.
AcquireTimeoutError.prototype.name = 'AcquireTimeoutError'
QueueFullError.prototype.name = 'QueueFullError'
CreateError.prototype.name = 'CreateError'
PoolClosedError.prototype.name = 'PoolClosedError'
LeaseReleasedError.prototype.name = 'LeaseReleasedError'
StaleResourceError.prototype.name = 'StaleResourceError'

function numbersOf(stats: PoolStats): string {
  const { name, max, size, idle, borrowed, waiting, creating, destroying } = stats
  return (
    `Pool "${name}" (size ${size} of ${max}, idle ${idle}, borrowed ${borrowed}, ` +
    `waiting ${waiting}, creating ${creating}, destroying ${destroying})`
  )
}

type Failure = AggregateError & NodeJS.ErrnoException

/** What somebody else's error says, on behalf of one that must reach its caller: it never throws. */
function messageOf(error: unknown): string {
  try {
    // Where a host refuses at each of its addresses, Node's error has no message of its own.
    const { message, errors = [], code, name } = Object(error) as Partial<Failure>
    if (typeof message !== 'string') return inspect(error, { depth: 0, breakLength: Infinity })
    return message || errors.map(messageOf).join(', ') || String(code ?? name)
  } catch {
    return 'an error that cannot be shown'
  }
}
