import type { Context } from '../context/context.ts'
import type { Moment } from '../tools/clock.ts'
import type { Borrower } from '../stock/entry.ts'
import { Heap } from '../tools/heap.ts'
import { type Linked, LinkedList } from '../tools/list.ts'
import type { Lease } from '../api/pool.ts'
import { inSlices, LONGEST_TIMER } from '../tools/timers.ts'

// The functions of the promise under construction. All waits share one executor, so that none is allocated for each.
let resolving: unknown
let rejecting: unknown
function capture(resolve: unknown, reject: unknown): void {
  resolving = resolve
  rejecting = reject
}

/** `Waiter.rejectWith`, for the functions of any promise. */
export function rejectWith(
  create: () => unknown,
  resolve: (value: never) => void,
  reject: (error: unknown) => void,
): void {
  void Promise.resolve()
    .then(() => {
      throw create()
    })
    .then(resolve, reject)
}

/** A caller in the queue. */
export class Waiter<R extends object> implements Linked<Waiter<R>> {
  previous: Waiter<R> | undefined = undefined
  next: Waiter<R> | undefined = undefined
  /** Removes the abort listener. */
  stopListening: (() => void) | undefined = undefined
  inQueue = true
  readonly promise: Promise<Lease<R>>
  readonly resolve: (lease: Lease<R>) => void
  readonly reject: (error: unknown) => void

  constructor(
    readonly lane: Lane<R>,
    /** The place in the order of arrival. */
    readonly ticket: number,
    readonly arrival: Moment,
    /** Set only for leak detection. */
    readonly borrower: Borrower | undefined,
  ) {
    this.promise = new Promise(capture)
    this.resolve = resolving as (lease: Lease<R>) => void
    this.reject = rejecting as (error: unknown) => void
    resolving = rejecting = undefined
  }

  /**
   * Rejects with the error that `create` returns. V8 adds the frames of the callers to its stack only if it is created in a
   * reaction that leads to the promise that they await.
   */
  rejectWith(create: () => unknown): void {
    rejectWith(create, this.resolve, this.reject)
  }

  get since(): number {
    return this.arrival.at
  }

  get timeoutMillis(): number {
    return this.lane.timeoutMillis
  }

  get deadline(): number {
    return this.arrival.at + this.lane.timeoutMillis
  }
}

/** The callers with one priority and one timeout: in the order of their arrival, which is that of their deadlines. */
class Lane<R extends object> {
  readonly waiters = new LinkedList<Waiter<R>>()
  /** The places in the two heaps of the queue. */
  byTurn = -1
  byDeadline = -1
  /** The first deadline, or a moment before it. */
  dueAt = Infinity

  constructor(
    readonly priority: number,
    readonly timeoutMillis: number,
  ) {}
}

function hasFirstTurn<R extends object>(a: Lane<R>, b: Lane<R>): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority
  return firstTicketOf(a) < firstTicketOf(b)
}

/** A lane in a heap is never empty. */
function firstTicketOf<R extends object>({ waiters }: Lane<R>): number {
  return (waiters.first as Waiter<R>).ticket
}

/** The waiting callers, by priority and then by arrival, and their deadlines. */
export class Queue<R extends object> {
  waiting = 0
  /** The number of callers that have left the queue and are still to be rejected. */
  rejecting = 0
  #tickets = 0
  /** Every lane with callers in it, and the one used last. */
  readonly #lanes = new Map<string, Lane<R>>()
  #lastLane = new Lane<R>(0, -1)
  readonly #turns = new Heap<'byTurn', Lane<R>>('byTurn', hasFirstTurn)
  readonly #deadlines = new Heap<'byDeadline', Lane<R>>('byDeadline', (a, b) => a.dueAt < b.dueAt)
  /** The timer for all deadlines. It fires at the first of them or before. */
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  readonly #expired: (waiter: Waiter<R>) => void
  readonly #rejected: () => void

  /**
   * `expired` is called with each waiter past its deadline, and must remove it. `rejected` is called when `rejectAll` has
   * rejected the last one.
   */
  constructor(
    private readonly context: Context<R>,
    on: { readonly expired: (waiter: Waiter<R>) => void; readonly rejected: () => void },
  ) {
    this.#expired = on.expired
    this.#rejected = on.rejected
  }

  enqueue(priority: number, timeoutMillis: number, borrower?: Borrower): Waiter<R> {
    const lane = this.#laneOf(priority, timeoutMillis)
    const waiter = new Waiter(lane, ++this.#tickets, this.context.clock.moment(), borrower)
    lane.waiters.push(waiter)
    if (lane.waiters.length === 1) this.#open(lane, waiter)
    // A waiting caller keeps the process alive. The timer is kept, unref'd, from one wait to the next.
    if (++this.waiting === 1) this.#timer?.ref()
    if (lane.dueAt < this.#timerAt || this.#timer === undefined) {
      this.#setTimer(lane.dueAt, waiter.since)
    }
    return waiter
  }

  /** How many callers have ever waited. */
  get arrivals(): number {
    return this.#tickets
  }

  get first(): Waiter<R> | undefined {
    return this.#turns.first?.waiters.first
  }

  /** Removes and returns the caller whose turn it is. */
  next(): Waiter<R> | undefined {
    const waiter = this.#turns.first?.waiters.first
    if (waiter !== undefined) this.remove(waiter)
    return waiter
  }

  /** Counts the wait of a caller that gets a resource, by the last reading of the clock. */
  served(waiter: Waiter<R>): void {
    const { clock, counts } = this.context
    const waitedMillis = clock.monotonic - waiter.since
    if (waitedMillis > 0) counts.totalWaitMillis += waitedMillis
  }

  remove(waiter: Waiter<R>): void {
    if (!waiter.inQueue) return
    waiter.inQueue = false
    const { lane } = waiter
    const isFirst = lane.waiters.first === waiter
    lane.waiters.remove(waiter)
    if (lane.waiters.length === 0) this.#close(lane)
    else if (isFirst && this.#turns.size > 1) this.#turns.moved(lane)
    waiter.stopListening?.()
    if (--this.waiting === 0) this.#timer?.unref()
  }

  /** Empties the queue, and rejects its callers in slices, between which the event loop turns. */
  rejectAll(error: () => unknown): void {
    const waiters: Waiter<R>[] = []
    for (let waiter = this.next(); waiter !== undefined; waiter = this.next()) waiters.push(waiter)
    this.rejecting += waiters.length
    this.context.counts.rejected += waiters.length
    let rejected = 0
    inSlices(() => {
      const waiter = waiters[rejected++]
      if (waiter === undefined) return false
      waiter.rejectWith(error)
      if (--this.rejecting === 0) this.#rejected()
      return true
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Infinity
  }

  /** Makes the timer fire now, after its clock has gone back. */
  wake(): void {
    if (this.#timer !== undefined) this.#setTimer(0, 0)
  }

  #laneOf(priority: number, timeoutMillis: number): Lane<R> {
    const last = this.#lastLane
    if (last.priority === priority && last.timeoutMillis === timeoutMillis) return last
    const key = keyOf(priority, timeoutMillis)
    let lane = this.#lanes.get(key)
    if (lane === undefined) this.#lanes.set(key, (lane = new Lane(priority, timeoutMillis)))
    this.#lastLane = lane
    if (last.waiters.length === 0) this.#lanes.delete(keyOf(last.priority, last.timeoutMillis))
    return lane
  }

  #open(lane: Lane<R>, first: Waiter<R>): void {
    lane.dueAt = first.deadline
    this.#turns.add(lane)
    this.#deadlines.add(lane)
  }

  #close(lane: Lane<R>): void {
    this.#turns.remove(lane)
    this.#deadlines.remove(lane)
    if (lane !== this.#lastLane) this.#lanes.delete(keyOf(lane.priority, lane.timeoutMillis))
  }

  #setTimer(deadline: number, now: number): void {
    clearTimeout(this.#timer)
    // A timer is also set for a caller without a deadline, to keep the process alive.
    const millis = Math.min(Math.ceil(deadline - now), LONGEST_TIMER)
    // The event loop polls once before a caller is rejected, because a resource may have become ready while the loop was blocked.
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), millis)
    this.#timerAt = deadline
  }

  #expire(): void {
    this.context.checkProcess()
    inSlices(() => {
      const now = this.context.clock.now()
      const late = this.#nextLate(now)
      const next = this.#deadlines.first
      if (late !== undefined) this.#expired(late)
      else if (next !== undefined) this.#setTimer(next.dueAt, now)
      else this.stop()
      return late !== undefined
    })
  }

  /** Returns a caller past its deadline. */
  #nextLate(now: number): Waiter<R> | undefined {
    for (;;) {
      const lane = this.#deadlines.first
      const waiter = lane?.waiters.first
      if (lane === undefined || waiter === undefined || lane.dueAt > now) return undefined
      if (waiter.deadline <= now) return waiter
      lane.dueAt = waiter.deadline
      this.#deadlines.moved(lane)
    }
  }
}

function keyOf(priority: number, timeoutMillis: number): string {
  return `${priority} ${timeoutMillis}`
}
