import type { Clock } from './clock.ts'
import type { Borrower, Entry } from './entry.ts'
import { type Linked, LinkedList } from './list.ts'
import type { Lease } from './surface.ts'
import { LONGEST_TIMER } from './timers.ts'

// The functions of the promise that is being made: with one executor for all, none is allocated for each.
type Resolve = (lease: Lease<object>) => void
type Reject = (error: unknown) => void
let resolving: Resolve | undefined
let rejecting: Reject | undefined
function capture(resolve: unknown, reject: unknown): void {
  resolving = resolve as Resolve
  rejecting = reject as Reject
}

/** A caller in the queue. */
export class Waiter<R extends object> implements Linked<Waiter<R>> {
  previous: Waiter<R> | undefined = undefined
  next: Waiter<R> | undefined = undefined
  /** Takes the waiter's ear off its signal. */
  stopListening: (() => void) | undefined = undefined
  /** Kept for leak detection alone. */
  borrower: Borrower | undefined = undefined
  /** Where it waits. */
  lane: Lane<R> | undefined = undefined
  readonly priority: number
  /** When it came, by the monotonic clock. */
  readonly since: number
  readonly timeoutMillis: number
  readonly promise: Promise<Lease<R>> = new Promise(capture)
  readonly resolve: (lease: Lease<R>) => void = resolving as Resolve
  readonly reject: Reject = rejecting as Reject

  constructor(priority: number, since: number, timeoutMillis: number) {
    this.priority = priority
    this.since = since
    this.timeoutMillis = timeoutMillis
    // Nothing may hold on to the last wait, and to what became of it.
    resolving = rejecting = undefined
  }

  get deadline(): number {
    return this.since + this.timeoutMillis
  }
}

interface Lane<R extends object> {
  readonly priority: number
  readonly waiters: LinkedList<Waiter<R>>
}

/** Who holds what next: the idle resources, in the order they came back, and the queue of callers. */
export class Handoff<R extends object> {
  readonly idle = new LinkedList<Entry<R>>()
  waiting = 0
  /** By priority, lowest first; none is empty. Each is in the order its callers came. */
  readonly #lanes: Lane<R>[] = []
  /** One timer for every deadline, at the earliest of them or before it. */
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  readonly #clock: Clock
  readonly #checkProcess: () => void
  readonly #expired: (waiter: Waiter<R>) => void

  /**
   * `checkProcess` looks for a change of process, whose waits have all ended when it returns. `expired` is called with
   * each waiter whose time is up: it is to take it out of the queue.
   */
  constructor(clock: Clock, checkProcess: () => void, expired: (waiter: Waiter<R>) => void) {
    this.#clock = clock
    this.#checkProcess = checkProcess
    this.#expired = expired
  }

  enqueue(waiter: Waiter<R>): void {
    waiter.lane = this.#laneOf(waiter.priority)
    waiter.lane.waiters.push(waiter)
    // While someone waits the process must not end; the timer is kept, idle, from one wait to the next.
    if (++this.waiting === 1) this.#timer?.ref()
    if (waiter.deadline < this.#timerAt || this.#timer === undefined) {
      this.#setTimer(waiter.deadline, waiter.since)
    }
  }

  /** The caller whose turn it is. It has left the queue. */
  next(): Waiter<R> | undefined {
    const waiter = this.#lanes[0]?.waiters.first
    if (waiter !== undefined) this.remove(waiter)
    return waiter
  }

  /** Takes a caller out of the queue; one that is no longer in it stays out. */
  remove(waiter: Waiter<R>): void {
    const { lane } = waiter
    if (lane === undefined) return
    waiter.lane = undefined
    lane.waiters.remove(waiter)
    if (lane.waiters.length === 0) this.#forget(lane)
    waiter.stopListening?.()
    if (--this.waiting === 0) this.#timer?.unref()
  }

  /** Empties the queue. */
  rejectAll(error: () => unknown): void {
    for (let waiter = this.next(); waiter !== undefined; waiter = this.next())
      waiter.reject(error())
  }

  /** Ends the timer; the next caller starts it again. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  /** Has the timer look at once: it may have been set by a clock that has gone back since. */
  wake(): void {
    if (this.#timer !== undefined) this.#setTimer(0, 0)
  }

  #forget(lane: Lane<R>): void {
    this.#lanes.splice(this.#lanes.indexOf(lane), 1)
  }

  #laneOf(priority: number): Lane<R> {
    const first = this.#lanes[0]
    return first?.priority === priority ? first : this.#findLane(priority)
  }

  #findLane(priority: number): Lane<R> {
    let at = 0
    for (let lane = this.#lanes[0]; lane !== undefined; lane = this.#lanes[++at]) {
      if (lane.priority === priority) return lane
      if (lane.priority > priority) break
    }
    const lane: Lane<R> = { priority, waiters: new LinkedList() }
    this.#lanes.splice(at, 0, lane)
    return lane
  }

  #setTimer(deadline: number, now: number): void {
    clearTimeout(this.#timer)
    // Also for a caller who waits for ever: the process must not end under it.
    const millis = Math.min(Math.ceil(deadline - now), LONGEST_TIMER)
    this.#timer = setTimeout(() => this.#expire(), millis)
    this.#timerAt = deadline
  }

  #expire(): void {
    this.stop()
    this.#checkProcess()
    const now = this.#clock.now()
    const late: Waiter<R>[] = []
    let earliest = Infinity
    for (const { waiters } of this.#lanes) {
      for (const waiter of waiters.members()) {
        if (waiter.deadline <= now) late.push(waiter)
        else if (waiter.deadline < earliest) earliest = waiter.deadline
      }
    }
    for (const waiter of late) this.#expired(waiter)
    if (this.waiting > 0) this.#setTimer(earliest, now)
  }
}
