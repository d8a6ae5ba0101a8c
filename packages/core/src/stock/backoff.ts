import type { CreateFailure } from '../api/driver.ts'
import type { ParsedOptions } from '../context/parse-options.ts'
import { LONGEST_TIMER } from '../tools/timers.ts'

/** The pause after a failed create. After it, one create at a time runs until one succeeds. */
export class Backoff {
  /** The last failure, until a create succeeds. */
  failure: { readonly error: unknown; readonly kind: CreateFailure } | undefined = undefined
  /** The number of consecutive failures. */
  failures = 0
  #timer: NodeJS.Timeout | undefined
  #pauseMillis = 0
  readonly #retry: () => void

  /** `retry` is called at the end of each pause. */
  constructor(
    private readonly range: ParsedOptions['backoff'],
    retry: () => void,
  ) {
    this.#retry = retry
  }

  get pausing(): boolean {
    return this.#timer !== undefined
  }

  /** Records a failed create and begins a pause. Returns its length in milliseconds. */
  failed(error: unknown, kind: CreateFailure): number {
    this.failure = { error, kind }
    // Creates that began together and failed together are one failure.
    if (this.pausing) return this.#pauseMillis
    this.failures++
    const ceiling = Math.min(
      LONGEST_TIMER,
      this.range.maxMillis,
      this.range.minMillis * 2 ** Math.min(this.failures - 1, 30),
    )
    this.#pauseMillis = Math.ceil(ceiling * Math.random())
    // A waiting caller keeps the process alive. Without one, the process may exit.
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#retry()
    }, this.#pauseMillis).unref()
    return this.#pauseMillis
  }

  reset(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.failure = undefined
    this.failures = 0
  }
}
