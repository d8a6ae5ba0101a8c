/** The two clocks of a machine, in milliseconds. */
export interface Clocks {
  /** Goes forward, but may stand still while the machine sleeps, and starts elsewhere on another machine. */
  monotonic(): number
  /** The time since 1970, which may leap. */
  wall(): number
}

export const machineClocks: Clocks = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
}

/** A moment by the pool's time. */
export interface Moment {
  at: number
}

/**
 * A freeze is assumed if this much time is missing. Longer than most pauses of garbage collection or a busy event loop, and shorter than
 * the time after which a server or a router drops a connection.
 */
const FREEZE_MILLIS = 2_000

/** The number of uses in a burst for which the clocks are read once. */
const BURST = 32

/**
 * A pool's time, from both clocks. Reading them costs as much as the rest of an acquire, so uses that follow each other without a turn
 * of the event loop share a reading: one in 32 reads the clocks.
 */
export class Clock {
  /** The pool's time for ages and deadlines: the monotonic clock, corrected by the wall clock where it goes back. */
  monotonic = 0
  /** The wall clock. `Infinity` before the first reading. */
  wall = Infinity
  /** When the pool's timer fires. If that time is long past, the process was frozen. */
  alarmAt = Infinity
  /** The number of readings. */
  readings = 0
  #usesLeft = BURST
  #inBurst = false
  #reading = -Infinity
  #offset = 0
  /** The moment of the uses since the last reading. */
  #unread: Moment | undefined
  /**
   * Called during the reading that finds that time is missing: once for each freeze, and whenever the monotonic clock has gone
   * `back`.
   */
  leapt!: (back: boolean) => void
  readonly #endBurst = (): void => {
    this.#inBurst = false
    if (this.#unread !== undefined) this.read()
  }

  constructor(private readonly clocks: Clocks) {}

  /** Reads the clocks, unless this is a later use of a burst. Returns whether it has read them. */
  look(): boolean {
    if (--this.#usesLeft > 0 && this.#inBurst) return false
    this.#readInTurn()
    return true
  }

  /** Kept apart from `look`, which V8 inlines. */
  #readInTurn(): void {
    this.read()
    if (this.#usesLeft > 0) return
    this.#usesLeft = BURST
    if (this.#inBurst) return
    this.#inBurst = true
    // It runs when no microtask is left.
    process.nextTick(this.#endBurst)
  }

  /**
   * Returns the moment of this use. If the clocks are not read for it, it rises to the next reading, so that a deadline counted
   * from it is never early.
   */
  moment(): Moment {
    // A small integer needs no memory of its own.
    if (this.look()) return { at: Math.ceil(this.monotonic) }
    return (this.#unread ??= { at: Math.ceil(this.monotonic) })
  }

  read(): void {
    const reading = this.clocks.monotonic()
    const wall = this.clocks.wall()
    const passed = reading - this.#reading
    const passedByWall = wall - this.wall
    this.#reading = reading
    this.readings++
    this.wall = wall
    const back = passed < 0
    if (back) this.#offset += Math.max(0, passedByWall) - passed
    this.monotonic = reading + this.#offset
    if (this.#unread !== undefined) {
      this.#unread.at = Math.ceil(this.monotonic)
      this.#unread = undefined
    }
    const late = this.monotonic - this.alarmAt > FREEZE_MILLIS
    // The timer itself is still to come.
    if (late) this.alarmAt = Infinity
    if (late || back || passedByWall - passed > FREEZE_MILLIS) this.leapt(back)
  }

  /** `monotonic`, of this moment. */
  now(): number {
    this.read()
    return this.monotonic
  }

  /** Forgets all readings, which another process has made. */
  reset(): void {
    this.monotonic = 0
    this.wall = Infinity
    this.alarmAt = Infinity
    this.#usesLeft = BURST
    this.#inBurst = false
    this.#reading = -Infinity
    this.#offset = 0
    this.#unread = undefined
  }
}
