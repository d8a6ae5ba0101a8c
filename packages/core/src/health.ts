import { CreateError, PoolClosedError, QueueFullError, AcquireTimeoutError } from './api/errors.ts'
import type { ForkSafePool, Lease } from './api/pool.ts'
import type { PoolStats } from './api/stats.ts'
import { PooledLease } from './lend/lease.ts'
import { Pool } from './pool.ts'
import { checkOptions, kindOf, type Rules } from './tools/rules.ts'
import { errorFor } from './tools/thrown.ts'
import { LONGEST_TIMER, startTimer } from './tools/timers.ts'

const DEFAULT_TIMEOUT_MILLIS = 1_000

/**
 * Why a pool is unhealthy:
 *
 * - `closed`: it is closing or closed;
 * - `busy`: all resources were in use until the time was up, or the queue is full;
 * - `unreachable`: no resource could be opened;
 * - `unresponsive`: a resource was open, but the server did not answer on it in time;
 * - `invalid`: a resource failed its validation;
 * - `failed`: any other error.
 */
export type UnhealthyReason =
  'closed' | 'busy' | 'unreachable' | 'unresponsive' | 'invalid' | 'failed'

/** The state of a pool, as `poolHealth` has found it. */
export type PoolHealth = {
  /** How long the check took, in milliseconds. */
  readonly durationMillis: number
  /** The pool's numbers at the end of the check. */
  readonly stats: PoolStats
} & (
  | {
      /** Tells whether a caller can get a resource that works. */
      readonly healthy: true
    }
  | {
      /** Tells whether a caller can get a resource that works. */
      readonly healthy: false
      /** The reason, for programs. */
      readonly reason: UnhealthyReason
      /** The reason, for people. It may contain the server's address. */
      readonly message: string
      /** The error, if there was one. */
      readonly error?: unknown
    }
)

const healthRules: Rules = {
  timeoutMillis: {
    expected: 'a number of milliseconds above 0 and at most 2147483647',
    accepts: (value) => typeof value === 'number' && value > 0 && value <= LONGEST_TIMER,
    shows: true,
  },
}

interface Problem {
  readonly reason: UnhealthyReason
  readonly error: Error
}

/**
 * Borrows a resource ahead of all waiting callers, validates it, and releases it. For readiness probes: resolves within `timeoutMillis`
 * (above 0, default 1,000), whatever the server does. From then on, the check occupies no place in the pool: what has not answered is
 * discarded, and a create that nobody else waits for is given up.
 * @throws {TypeError} (as a rejection) for something that is not a pool of this package, and for a wrong or unknown option.
 */
export async function poolHealth(
  pool: Pick<ForkSafePool<object>, 'stats'>,
  options: { readonly timeoutMillis?: number | undefined } = {},
): Promise<PoolHealth> {
  if (!(pool instanceof Pool)) {
    throw new TypeError(
      `\`poolHealth\`: expected a pool of createForkSafePool, got ${kindOf(pool)}.`,
    )
  }
  checkOptions(`Pool "${pool.stats.name}", \`poolHealth\``, healthRules, options)
  const started = performance.now()
  const problem = await check(pool, options.timeoutMillis ?? DEFAULT_TIMEOUT_MILLIS)
  const result = { durationMillis: performance.now() - started, stats: pool.stats }
  if (problem === undefined) return { healthy: true, ...result }
  const { reason, error } = problem
  return { healthy: false, reason, message: error.message, error, ...result }
}

async function check(pool: Pool<object>, timeoutMillis: number): Promise<Problem | undefined> {
  const { context, stock } = Pool.partsOf(pool)
  const since = context.clock.now()
  const deadline = performance.now() + timeoutMillis
  let lease: Lease<object>
  try {
    lease = await pool.acquire({ timeoutMillis, priority: -Infinity, leakDetectionMillis: 0 })
  } catch (error) {
    if (error instanceof AcquireTimeoutError && pool.stats.waiting === 0) stock.abandon(since)
    return problemOf(error)
  }
  try {
    return await test(pool, lease, deadline - performance.now())
  } catch (error) {
    return { reason: 'failed', error: errorFor(error) }
  } finally {
    lease[Symbol.dispose]()
  }
}

/** Validates a resource. If that fails, or takes longer than `millis`, ends the resource. */
async function test(
  pool: Pool<object>,
  lease: Lease<object>,
  millis: number,
): Promise<Problem | undefined> {
  const { context, stock } = Pool.partsOf(pool)
  const { resource } = lease
  const entry = [...stock.entries].find((entry) => entry.resource === resource)
  const { driver } = context
  if (entry === undefined || driver.validate === undefined) return undefined
  const silence = new Error(`Pool "${context.options.name}": the server did not answer in time.`)
  let stopTimer: (() => void) | undefined
  const timeUp = new Promise<Problem>((resolve) => {
    const timer = startTimer(
      () => resolve({ reason: 'unresponsive', error: silence }),
      Math.max(0, millis),
    )
    stopTimer = () => timer.clear()
  })
  // The hook may throw at once.
  const answer = new Promise<boolean | undefined>((resolve) => {
    // oxlint-disable-next-line typescript/unbound-method -- it is called with its driver as `this`
    resolve(stock.hooks.call(entry, driver.validate, resource))
  }).then(
    (valid) => (valid === false ? invalid(context.options.name) : undefined),
    (error: unknown): Problem => ({ reason: 'invalid', error: errorFor(error) }),
  )
  const problem = await Promise.race([answer, timeUp])
  stopTimer?.()
  if (problem?.reason === 'unresponsive') PooledLease.discard(lease, problem.error)
  else if (problem !== undefined && lease.active) lease.destroy(problem.error)
  return problem
}

function invalid(pool: string): Problem {
  return {
    reason: 'invalid',
    error: new Error(`Pool "${pool}": a resource failed its validation.`),
  }
}

function problemOf(thrown: unknown): Problem {
  const error = errorFor(thrown)
  if (error instanceof PoolClosedError) return { reason: 'closed', error }
  if (error instanceof QueueFullError) return { reason: 'busy', error }
  if (error instanceof CreateError) return { reason: 'unreachable', error }
  if (!(error instanceof AcquireTimeoutError)) return { reason: 'failed', error }
  if (error.phase === 'creating') return { reason: 'unreachable', error }
  return { reason: error.phase === 'waiting' ? 'busy' : 'unresponsive', error }
}
