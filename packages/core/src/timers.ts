/** The longest that Node's timers can run; what is asked for beyond it is no limit. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** A timer that may be asked for `Infinity`: then there is none. */
export function startTimer(run: () => void, millis: number): NodeJS.Timeout | undefined {
  return millis > LONGEST_TIMER ? undefined : setTimeout(run, millis)
}

/** How many uses of a clock one reading serves when they come in a burst. */
const BURST = 16

/**
 * Both clocks of the machine. Reading them costs as much as the rest of an acquire. So they are read at each use, but
 * where uses follow each other without a turn of the event loop, one use in 16 reads them for the others.
 */
export class Clock {
  /** Milliseconds that never go back, but may stand still while the machine sleeps. */
  monotonic = 0
  /** Milliseconds since 1970, which may leap. */
  wall = 0
  #usesLeft = BURST
  #inBurst = false
  readonly #endBurst = (): void => {
    this.#inBurst = false
  }

  look(): void {
    if (--this.#usesLeft > 0) {
      if (!this.#inBurst) this.read()
      return
    }
    this.#usesLeft = BURST
    this.read()
    if (this.#inBurst) return
    this.#inBurst = true
    // It runs when no microtask is left.
    process.nextTick(this.#endBurst)
  }

  read(): void {
    this.monotonic = performance.now()
    this.wall = Date.now()
  }
}
