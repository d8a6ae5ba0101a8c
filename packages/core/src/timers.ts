/** The longest that Node's timers can run; what is asked for beyond it is no limit. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** A timer that may be asked for `Infinity`: then there is none. */
export function startTimer(run: () => void, millis: number): NodeJS.Timeout | undefined {
  return millis > LONGEST_TIMER ? undefined : setTimeout(run, millis)
}

/** Times that the clocks showed last. Reading them costs as much as the rest of an acquire, so reads are shared. */
export class CoarseClock {
  /** Milliseconds that never go back, but may stand still while the machine sleeps. */
  monotonic = 0
  /** Milliseconds since 1970, which may leap. */
  wall = 0

  constructor() {
    this.read()
  }

  read(): void {
    this.monotonic = performance.now()
    this.wall = Date.now()
  }
}
