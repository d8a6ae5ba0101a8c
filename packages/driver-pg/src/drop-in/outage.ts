/** So many failed connects in a row mean that the server is down. A failure before that rejects only the caller it was for. */
const FAILURES_OF_OUTAGE = 5

/**
 * Counts failed connects in a row. In pg-pool, each caller has a connect of its own. During an outage, callers that retry at once
 * would flood the server with connects, so one connect, after a pause, then answers all waiting callers.
 */
export class Outage {
  #failures = 0
  #lastError: unknown
  #waiting = new AbortController()

  /** Whether the server is down: the last connects have failed. */
  get isOn(): boolean {
    return this.#failures >= FAILURES_OF_OUTAGE
  }

  /** The error of the last connect, if that failed. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Aborts when a connect fails during an outage. Its reason is the error of that connect. */
  get signal(): AbortSignal {
    return this.#waiting.signal
  }

  connected(): void {
    this.#failures = 0
    this.#lastError = undefined
  }

  failed(error: unknown): void {
    this.#failures++
    this.#lastError = error
  }

  /** Rejects all waiting callers with the error of the last connect. */
  rejectWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = new AbortController()
    waiting.abort(this.#lastError)
  }
}
