import type { CreateFailure } from '../api/driver.ts'
import type { ForkSafePool } from '../api/pool.ts'

/** So many failed creates in a row mean that the server is down. */
const FAILURES_OF_OUTAGE = 5

/**
 * Handles failed creates for a drop-in whose callers expect an attempt of their own. The first four failures in a row each reject one
 * caller. During an outage, callers that retry at once would flood the server, so the pool opens one resource at a time, after its
 * backoff, and each failure rejects all waiting callers.
 */
export class Outage {
  #failures = 0
  #lastError: unknown
  #waiting = new AbortController()

  /** Whether the server is down: the last five creates or more have failed. */
  get isOn(): boolean {
    return this.#failures >= FAILURES_OF_OUTAGE
  }

  /** The error of the last create, if that failed. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** The signal for each `acquire`: it aborts when a create fails during an outage. Its reason is the error of that create. */
  get signal(): AbortSignal {
    return this.#waiting.signal
  }

  /** Ends the outage: call it when a create succeeds. */
  succeeded(): void {
    this.#failures = 0
    this.#lastError = undefined
  }

  /** The `classify` of the drop-in's driver. */
  classify(error: unknown): CreateFailure {
    this.#failures++
    this.#lastError = error
    return this.isOn ? 'transient' : 'single'
  }

  /** Rejects all waiting callers of a pool whenever a create fails during an outage. Call it once. */
  watch(pool: Pick<ForkSafePool<object>, 'on'>): void {
    pool.on('createError', ({ kind }) => {
      if (kind !== 'single') this.#rejectWaiting()
    })
  }

  /**
   * Returns the error for a caller whose `acquire` with `signal` rejected with `error`: a copy, if one create's failure rejected
   * several callers.
   */
  errorFor(error: unknown, signal: AbortSignal): unknown {
    return signal.aborted && error === signal.reason ? copyError(error) : error
  }

  #rejectWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = new AbortController()
    waiting.abort(this.#lastError)
  }
}

/** Returns a copy of an error, for one of several callers that it rejects: each may change its own. Other values are returned. */
export function copyError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const copy = new Error(error.message)
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error) as object)
  Object.defineProperties(copy, Object.getOwnPropertyDescriptors(error))
  // Since Node 22, the property copied above is a getter of the copy's own stack.
  const stack = { value: error.stack, writable: true, configurable: true, enumerable: false }
  return Object.defineProperty(copy, 'stack', stack)
}
