import { performance } from 'node:perf_hooks'
import type { Clock } from '../tools/clock.ts'

/**
 * Tells how long an answer may have lain unread because the event loop was busy. An answer that comes late for that reason says nothing
 * about the server.
 */
export class EventLoop {
  readonly #clock: Clock
  /** When the event loop last looked for answers, and how long it had waited for events until then. */
  #polledAt = 0
  #waitedMillis = 0
  #pollExpected = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes when the event loop has polled next. Call it in each turn in which requests are sent or answered. */
  expectPoll(): void {
    if (this.#pollExpected) return
    this.#pollExpected = true
    // It runs right after the loop has polled, and does not keep the process alive.
    setImmediate(this.#polled).unref()
  }

  /** How long the event loop has been busy since it last polled, in milliseconds. */
  busyMillis(now: number): number {
    const waited = performance.nodeTiming.idleTime - this.#waitedMillis
    return Math.max(0, now - this.#polledAt - waited)
  }

  readonly #polled = (): void => {
    this.#pollExpected = false
    this.#polledAt = this.#clock.now()
    this.#waitedMillis = performance.nodeTiming.idleTime
  }
}
