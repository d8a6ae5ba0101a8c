/** The two clocks of a machine, in milliseconds. */
export interface Clocks {
  /** Goes forward, but may stand still while the machine sleeps, and starts elsewhere on another machine. */
  monotonic(): number
  /** The time since 1970, which may leap. */
  wall(): number
}

/** The clocks of this machine, as they are at each call. */
export const machineClocks: Clocks = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
}

/** A moment by the pool's time. */
export interface Moment {
  at: number
}

/**
 * So much time missing is a freeze. Long enough that garbage collection and a busy event loop are seldom taken for one,
 * and shorter than any limit after which a server or a router drops a connection.
 */
const FREEZE_MILLIS = 2_000

/** How many uses of a clock one reading serves when they come in a burst. */
const BURST = 32

/**
 * A pool's time, from both clocks. Reading them costs as much as the rest of an acquire. So they are read at each use,
 * but where uses follow each other without a turn of the event loop, one use in 32 reads them for the others.
 */
export class Clock {
  /** The pool's time for ages and deadlines: by the monotonic clock; where that goes back, by the wall clock. */
  monotonic = 0
  /** The wall clock. Before the first reading no time is behind it. */
  wall = Infinity
  /** When the pool's timer fires, by `monotonic`. Found to have passed long ago, it tells of a freeze. */
  alarmAt = Infinity
  /** The number of readings. The clock has not been read since if this is unchanged. */
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
  leapt: (back: boolean) => void = () => undefined
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

  /** Forgets every reading, which were another process's: the next one is the first. */
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
