import { vi } from 'vitest'
import type { Clocks } from '../../src/tools/clock.ts'
import { settled } from './time.ts'

/**
 * Fake clocks of a machine, which follow fake time except for jumps. Jumps happen between two turns of the event loop, because
 * in a burst of uses the pool does not read the clocks each time.
 */
export class LeapingClocks implements Clocks {
  #monotonic = 0
  #wall = 0

  monotonic(): number {
    return performance.now() + this.#monotonic
  }

  wall(): number {
    return Date.now() + this.#wall
  }

  /** Sets the wall clock. */
  async setWall(millis: number): Promise<void> {
    await settled()
    this.#wall += millis
  }

  /** Puts the machine to sleep: the monotonic clock and all timers stand still. */
  async sleep(millis: number): Promise<void> {
    await settled()
    this.#wall += millis
  }

  /** Stops the process: both clocks continue, and no timer fires in time. */
  async stop(millis: number): Promise<void> {
    await settled()
    this.#step(millis)
  }

  /**
   * Moves the process to another machine, whose monotonic clock shows another time. If that is earlier, existing timers sleep
   * until the clock catches up.
   */
  async move(millis: number): Promise<void> {
    await settled()
    this.#monotonic += millis
    if (millis > 0) return
    const before = performance.now()
    vi.clearAllTimers()
    // This has set back both clocks of fake time.
    this.#step(before - performance.now())
  }

  #step(millis: number): void {
    this.#wall += millis
    this.#monotonic += millis
  }
}
