import { vi } from 'vitest'
import type { Clocks } from '../../src/tools/clock.ts'
import { settled } from './time.ts'

/**
 * The clocks of a machine to which things happen. They go with fake time, but for their leaps, which come between two
 * turns of the event loop: in a burst of uses the clocks are not read for each.
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

  /** Somebody sets the wall clock. */
  async setWall(millis: number): Promise<void> {
    await settled()
    this.#wall += millis
  }

  /** The machine sleeps: the monotonic clock stands still, and every timer with it. */
  async sleep(millis: number): Promise<void> {
    await settled()
    this.#wall += millis
  }

  /** The process is stopped: both clocks go on, and no timer fires in time. */
  async stop(millis: number): Promise<void> {
    await settled()
    this.#step(millis)
  }

  /**
   * The process goes on elsewhere, where the monotonic clock shows something else. Where it shows less, timers that were
   * set before sleep until it is there again.
   */
  async move(millis: number): Promise<void> {
    await settled()
    this.#monotonic += millis
    if (millis > 0) return
    const before = performance.now()
    vi.clearAllTimers()
    // That has set back both clocks of fake time.
    this.#step(before - performance.now())
  }

  #step(millis: number): void {
    this.#wall += millis
    this.#monotonic += millis
  }
}
