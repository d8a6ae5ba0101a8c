import type { Budget } from '../api/budget.ts'
import type { CreateFailure } from '../api/driver.ts'
import {
  AcquireTimeoutError,
  CreateError,
  PoolClosedError,
  PoolError,
  QueueFullError,
  StaleResourceError,
} from '../api/errors.ts'
import type {
  AcquireOptions,
  DestroyReason,
  Lease,
  ProcessChangeReason,
  ShareOptions,
} from '../api/pool.ts'
import type { PoolStats } from '../api/stats.ts'
import type { Context } from '../context/context.ts'
import type { Counts } from '../context/counts.ts'
import { checkArguments } from '../context/parse-options.ts'
import type { ProcessChangeListener } from '../identity/identity.ts'
import { type Borrower, type Entry, REPORTED } from '../stock/entry.ts'
import { type Demand, Stock } from '../stock/stock.ts'
import { onAbort } from '../tools/signals.ts'
import { startTimer } from '../tools/timers.ts'
import { type Desk, PooledLease } from './lease.ts'
import { Permits } from './permits.ts'
import { Queue, type Waiter } from './queue.ts'
import { type Lender, Sharing } from './sharing.ts'
import { Supply } from './supply.ts'
import { Upkeep } from './upkeep.ts'

/**
 * Lends resources, takes them back, and passes them on.
 *
 * The code that runs at each use is kept apart from rare cases: V8 inlines all of it if it is short enough, which saves a tenth
 * of the time of a contended acquire.
 */
export class Lending<R extends object>
  implements Demand<R>, Desk<R>, Lender<R>, ProcessChangeListener
{
  readonly stock: Stock<R>
  readonly supply: Supply<R>
  readonly #queue: Queue<R>
  readonly #counts: Counts
  readonly #upkeep: Upkeep<R>
  readonly #permits: Permits<R> | undefined
  /** Whether to tell the driver which resources keep the process alive. */
  readonly #holds: boolean
  readonly #resets: boolean
  /** Whether more may exist than a lowered `max` allows. */
  #shrinking = false
  #closed: (() => void) | undefined
  /** How many resources have been discarded since the last report of a process change. */
  #discarded = 0
  /** `undefined` until it is needed: by a pool whose driver can share, or by a first call of `share`. */
  #sharing: Sharing<R> | undefined

  constructor(readonly context: Context<R>) {
    const { driver, options } = context
    this.#counts = context.counts
    this.#holds =
      options.allowExitOnIdle && (driver.ref !== undefined || driver.unref !== undefined)
    this.#resets = driver.reset !== undefined
    this.stock = new Stock(context, this)
    this.#queue = new Queue(context, {
      expired: (waiter) => this.#timedOut(waiter),
      rejected: () => this.changed(),
    })
    if (options.budget !== undefined) this.#permits = this.#newPermits(options.budget)
    const isCrowded = (): boolean => (this.#sharing?.inFlight ?? 0) > this.stock.shared
    this.supply = new Supply(context, this.stock, this.#queue, this.#permits, isCrowded)
    this.#upkeep = new Upkeep(context, this.stock)
    context.clock.leapt = (back) => this.#leapt(back)
    if (driver.share !== undefined && options.maxInFlight > 1) this.#sharing = this.#newSharing()
  }

  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    try {
      if (options !== undefined) {
        checkArguments(this.context.options.name, 'acquire', options)
        options.signal?.throwIfAborted()
      }
      const leakMillis = options?.leakDetectionMillis ?? this.context.options.leakDetectionMillis
      const borrower = leakMillis > 0 ? newBorrower(leakMillis) : undefined
      const mayTakeIdle = this.#queue.waiting === 0 && this.context.state === 'open'
      const entry = mayTakeIdle ? this.stock.idle.takeFresh() : undefined
      if (entry !== undefined) return Promise.resolve(this.#lend(entry, borrower))
      return this.#wait(borrower, options)
    } catch (error) {
      this.#countRejected(error)
      return rejected(error)
    }
  }

  share(work: (resource: R) => unknown, options?: ShareOptions): Promise<unknown> {
    try {
      this.#sharing ??= this.#newSharing()
      return this.#sharing.share(work, options)
    } catch (error) {
      this.#countRejected(error)
      return rejected(error)
    }
  }

  #countRejected(error: unknown): void {
    if (error instanceof PoolError) this.#counts.rejected++
  }

  /** How many callers have ever waited. */
  get arrivals(): number {
    return this.#queue.arrivals
  }

  #newSharing(): Sharing<R> {
    return new Sharing(this.context, this.stock, this.#queue, this.supply, this)
  }

  #newPermits(budget: Budget): Permits<R> {
    const { options } = this.context
    const { stock } = this
    // Every resource that comes back is looked at.
    this.#shrinking = true
    const held = (): number => Math.min(stock.kept, permits.ceiling) - stock.creating
    const waiting = (): number => this.supply.lacking
    const permits: Permits<R> = new Permits(this.context, budget, {
      get held() {
        return held()
      },
      get waiting() {
        return waiting()
      },
      get idle() {
        return stock.idle.length
      },
      get min() {
        return options.min
      },
      give: (theirs) => this.#give(permits, held(), theirs),
      changed: () => this.changed(),
    })
    return permits
  }

  /** Gives a permit to a member that holds `theirs`. */
  #give(permits: Permits<R>, held: number, theirs: number): boolean {
    const { idle, kept } = this.stock
    if (held <= this.context.options.min) return false
    if (idle.first !== undefined && held > theirs) this.stock.end(idle.first, 'budget')
    else if (held >= theirs + 2) {
      permits.ceiling = Math.min(permits.ceiling, kept) - 1
      this.#sharing?.shrink(kept - permits.ceiling)
    } else return false
    return true
  }

  #wait(borrower: Borrower | undefined, options?: AcquireOptions): Promise<Lease<R>> {
    const { options: defaults } = this.context
    this.admit()
    const waiter = this.#queue.enqueue(
      options?.priority ?? 0,
      options?.timeoutMillis ?? defaults.acquireTimeoutMillis,
      borrower,
    )
    if (options?.signal !== undefined) this.#listen(waiter, options.signal)
    const mayGetOne = this.supply.mayOpen || this.stock.idle.length > 0
    if (mayGetOne || this.#sharing?.isInUse === true) this.runSupply()
    return waiter.promise
  }

  #lend(entry: Entry<R>, borrower: Borrower | undefined): Lease<R> {
    const holds = this.#mustHold(entry)
    entry.lentAt =
      this.stock.idle.readsClock || entry.state !== 'idle' || this.#readsForWatchers()
        ? this.context.clock.monotonic
        : -1
    entry.state = 'lent'
    entry.uses++
    this.#counts.acquired++
    entry.lentTo = borrower
    if (borrower !== undefined) this.#watchLeak(entry, borrower)
    const lease = new PooledLease(this, entry)
    if (holds) this.stock.hold(entry, 'ref')
    return lease
  }

  /** The hold time of a lease is wanted although nothing else needs the clock. */
  #readsForWatchers(): boolean {
    if (!this.context.telemetry.releaseIsWatched) return false
    this.context.clock.look()
    return true
  }

  /** Marks a resource as shared. */
  shareOut(entry: Entry<R>): void {
    const holds = this.#mustHold(entry)
    entry.state = 'shared'
    if (holds) this.stock.hold(entry, 'ref')
  }

  /** A resource that passes from holder to holder already keeps the process alive. */
  #mustHold({ state }: Entry<R>): boolean {
    return this.#holds && state !== 'lent' && state !== 'resetting'
  }

  takeBackBroken(entry: Entry<R>, error: Error | undefined): void {
    this.stock.end(entry, 'broken', error)
  }

  takeBack(entry: Entry<R>): void {
    if (entry.uses >= this.context.options.maxUses) this.stock.end(entry, 'uses')
    else if (entry.retired !== undefined) this.stock.end(entry, entry.retired)
    else if (this.#resets) this.#reset(entry)
    else if (this.#queue.waiting > 0 || this.#shrinking) this.#handOver(entry)
    else this.#layDown(entry)
  }

  /** Checks the process first, because the waiting caller may belong to another one. In a burst of uses, not at each of them. */
  #handOver(entry: Entry<R>): void {
    if (this.context.clock.look()) this.context.checkProcess()
    if (entry.state !== 'lent') return
    this.stock.returned(entry)
    this.ready(entry)
  }

  #reset(entry: Entry<R>): void {
    this.context.clock.look()
    this.stock.returned(entry)
    if (this.#isExpired(entry)) this.stock.end(entry, 'lifetime')
    else this.stock.reset(entry)
  }

  /** Passes a resource to the next waiting caller, or lays it down as idle. */
  ready(entry: Entry<R>): void {
    const reason = this.#isUnwanted(entry)
    if (reason !== undefined) return this.stock.end(entry, reason)
    if (this.#sharing?.takes(entry) === true) return undefined
    const waiter = this.#queue.next()
    if (waiter === undefined) return this.#layDown(entry)
    entry.test = undefined
    this.#queue.served(waiter)
    waiter.resolve(this.#lend(entry, waiter.borrower))
    return this.#sharing?.balance()
  }

  /** Whether a resource ends when it comes back. */
  isLeaving(entry: Entry<R>): boolean {
    return entry.retired !== undefined || this.#isExpired(entry)
  }

  #isUnwanted(entry: Entry<R>): DestroyReason | undefined {
    if (entry.retired !== undefined) return entry.retired
    if (this.#isExpired(entry)) return 'lifetime'
    if (!this.#shrinking) return undefined
    if (this.#exceeds()) return 'resize'
    return this.stock.kept > (this.#permits?.ceiling ?? Infinity) ? 'budget' : undefined
  }

  #layDown(entry: Entry<R>): void {
    if (this.context.state !== 'open') return this.stock.end(entry, 'close')
    const { clock } = this.context
    clock.look()
    this.stock.returned(entry)
    if (entry.reading === clock.readings) this.stock.idle.layDownAgain(entry)
    else {
      if (this.#isExpired(entry)) return this.stock.end(entry, 'lifetime')
      this.stock.idle.layDown(entry)
      this.#upkeep.expectIdle(entry)
    }
    if (this.#holds) this.stock.hold(entry, 'unref')
    this.#permits?.spare()
  }

  /** Whether its lifetime was over at the last reading of the clocks. */
  #isExpired(entry: Entry<R>): boolean {
    return this.context.clock.monotonic >= entry.expiresAt
  }

  #watchLeak(entry: Entry<R>, borrower: Borrower): void {
    entry.lentAt = this.context.clock.now()
    this.#upkeep.expect(entry.lentAt + borrower.leakMillis)
  }

  /** @throws {PoolError} if nobody else may wait. `together` is the number of waiting callers that can use one resource. */
  admit(together = 1): void {
    this.refuseIfClosed()
    const { maxWaitingClients } = this.context.options
    if (this.stock.backoff.pausing || this.#queue.waiting >= maxWaitingClients) {
      this.#refuseHopeless(together)
    }
  }

  #refuseHopeless(together: number): void {
    const { backoff, idle } = this.stock
    if (idle.length > 0) return
    if (backoff.pausing && backoff.failure?.kind === 'fatal') {
      throw new CreateError(this.stats, backoff.failure.error)
    }
    const { maxWaitingClients } = this.context.options
    const promised = this.supply.promised * Math.min(together, Number.MAX_SAFE_INTEGER)
    if (this.#queue.waiting - promised < maxWaitingClients) return
    throw new QueueFullError(this.stats, maxWaitingClients)
  }

  /** Kept apart from `#wait`, where the closure would cost each wait a context on the heap. */
  #listen(waiter: Waiter<R>, signal: AbortSignal): void {
    waiter.stopListening = onAbort(signal, () => {
      waiter.reject(signal.reason)
      this.giveUp(waiter)
    })
  }

  #timedOut(waiter: Waiter<R>): void {
    const { stats } = this
    const { coming, creating, backoff } = this.stock
    const { failure } = backoff
    const permits = this.#permits
    const isOpening = creating > 0 || failure !== undefined
    const isShort =
      failure === undefined && permits?.short === true && (creating === 0 || permits.refused)
    const phase = isShort
      ? 'budget'
      : isOpening
        ? 'creating'
        : coming > 0
          ? 'validating'
          : 'waiting'
    const waitedMillis = this.context.clock.monotonic - waiter.since
    const held = this.#longestHeldMillis(waiter.since)
    this.#counts.timedOut++
    const holders = isShort ? permits.holders : []
    waiter.rejectWith(
      () => new AcquireTimeoutError(stats, waitedMillis, phase, failure, held, holders),
    )
    this.giveUp(waiter)
  }

  /** A resource that was lent without a reading of the clock was lent before `since`. */
  #longestHeldMillis(since: number): number {
    const now = this.context.clock.monotonic
    const lent = [...this.stock.entries].filter(({ state }) => state === 'lent')
    return Math.max(0, ...lent.map(({ lentAt }) => now - (lentAt < 0 ? since : lentAt)))
  }

  giveUp(waiter: Waiter<R>): void {
    // With a timeout of 0 it did not wait for anything.
    if (waiter.timeoutMillis > 0) this.stock.outlived(this.context.clock.now() - waiter.since)
    this.#queue.remove(waiter)
    this.runSupply()
  }

  runSupply(): void {
    this.supply.inUse = true
    this.changed()
  }

  changed(): void {
    this.supply.run()
    this.#sharing?.balance()
    if (this.context.state !== 'open') this.#finishClosing()
  }

  failed(error: unknown, kind: CreateFailure): boolean {
    const { stats } = this
    this.supply.rejectWarmUps(() => new CreateError(stats, error))
    // Requests do not wait for a resource that cannot be opened.
    this.#sharing?.balance()
    if (kind === 'fatal') this.#queue.rejectAll(() => new CreateError(stats, error))
    if (kind !== 'single') return false
    const waiter = this.#queue.next()
    if (waiter !== undefined) this.#counts.rejected++
    waiter?.rejectWith(() => new CreateError(stats, error))
    return waiter !== undefined
  }

  /** Adapts to a new `min` and `max`: ends excess idle resources now, and others at their release. */
  resized(): void {
    this.#shrinking = true
    // More idle resources may be beyond `min` now.
    this.#upkeep.expect(0)
    const { idle } = this.stock
    while (idle.first !== undefined && this.#exceeds()) this.stock.end(idle.first, 'resize')
    this.#sharing?.shrink(this.stock.kept - this.context.options.max)
    this.changed()
  }

  trim(count: number): number {
    const { idle } = this.stock
    const { min } = this.context.options
    let ended = 0
    for (; ended < count && idle.first !== undefined && this.stock.kept > min; ended++) {
      this.stock.end(idle.first, 'trim')
    }
    return ended
  }

  /** Whether more exist than a lowered `max` allows. */
  #exceeds(): boolean {
    const exceeds = this.stock.kept > this.context.options.max
    this.#shrinking = exceeds || this.#permits !== undefined
    return exceeds
  }

  /**
   * Time is missing: the process or its machine was frozen, and idle resources may have been dropped meanwhile. If the monotonic
   * clock has gone `back`, the timers set by it would sleep for as long.
   */
  #leapt(back: boolean): void {
    this.stock.idle.distrust()
    const endTimers = back ? this.stock.endingTimers() : undefined
    // Later, because the clock is read during other work.
    queueMicrotask(() => {
      if (endTimers !== undefined) {
        this.#queue.wake()
        this.#upkeep.wake()
        endTimers()
      }
      this.tell('thaw')
    })
  }

  /** Resolves when no resource is left. Past the deadline, leases are ended and waiting callers are rejected. */
  async close(deadlineMillis: number): Promise<void> {
    const context = this.context
    context.state = 'closing'
    const since = context.clock.now()
    this.supply.rejectWarmUps(() => this.refusal())
    let timer = startTimer(() => {
      this.#closeNow(since)
      // By then, all destroys have ended, except that of a resource whose create ended late.
      timer = startTimer(() => this.#closed?.(), context.options.destroyTimeoutMillis)
    }, deadlineMillis)
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      this.changed()
    })
    context.state = 'closed'
    this.#permits?.leave()
    timer.clear()
    this.#stop()
    this.stock.backoff.reset()
    context.leave()
  }

  /** Ends everything. `since` is the time at which the pool began to close, after which no idle resource was lent. */
  #closeNow(since: number): void {
    this.context.checkProcess()
    const { stats } = this
    this.#queue.rejectAll(() => new PoolClosedError(stats, 'closing'))
    const now = this.context.clock.now()
    const entries = [...this.stock.entries]
    for (const entry of entries) {
      if (entry.state === 'lent') this.#reportHeld(entry, since, now)
      if (entry.state !== 'creating') this.stock.end(entry, 'close')
    }
    this.changed()
  }

  #reportHeld({ id, generation, lentAt, lentTo }: Entry<R>, since: number, now: number): void {
    if (lentTo === REPORTED) return
    this.context.telemetry.emit('leak', {
      id,
      generation: generation.number,
      heldMillis: now - (lentAt < 0 ? since : lentAt),
      stack: lentTo?.stack,
    })
  }

  #finishClosing(): void {
    if (this.#queue.waiting + this.#queue.rejecting > 0) return
    this.stock.endIdle('close')
    this.stock.cancelCreates()
    if (this.stock.size === 0) this.#closed?.()
  }

  inUse(): boolean {
    return this.supply.inUse
  }

  disown(): () => void {
    this.supply.inUse = false
    this.#sharing?.disown()
    this.#permits?.abandon()
    const { resources, discard } = this.stock.disown()
    this.#discarded += resources
    this.#stop()
    this.context.clock.reset()
    const stale = (): Error => new StaleResourceError(this.context.options.name, 'the wait')
    this.#queue.rejectAll(stale)
    this.supply.rejectWarmUps(stale)
    this.#closed?.()
    return discard
  }

  tell(reason: ProcessChangeReason): void {
    const { telemetry, watch } = this.context
    const [discarded, { generation }] = [this.#discarded, this.stock]
    this.#discarded = 0
    telemetry.emit('processChange', {
      reason,
      incarnation: watch.identity.number,
      generation,
      discarded,
    })
  }

  #stop(): void {
    this.#upkeep.stop()
    this.#queue.stop()
  }

  refuseIfClosed(): void {
    if (this.context.state !== 'open') throw this.refusal()
  }

  refusal(): PoolClosedError {
    return new PoolClosedError(this.stats, this.context.state as 'closing' | 'closed')
  }

  get stats(): PoolStats {
    const { name, min, max } = this.context.options
    const { generation, size, idle, borrowed, shared, creating, destroying } = this.stock
    const { waiting } = this.#queue
    const stats = {
      name,
      generation,
      min,
      max,
      size,
      idle: idle.length,
      borrowed,
      shared,
      inFlight: this.#sharing?.inFlight ?? 0,
      waiting,
      creating,
      destroying,
      ...this.#counts,
      destroyed: { ...this.#counts.destroyed },
      permits: this.#permits === undefined ? 0 : this.stock.permits,
      wanted: this.#permits?.short === true ? this.supply.lacking : 0,
    }
    return Object.defineProperty(stats, 'identity', {
      value: this.context.watch.identity.source.name,
    })
  }
}

function rejected(error: unknown): Promise<never> {
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may be anything
  return Promise.reject(error)
}

function newBorrower(leakMillis: number): Borrower {
  return { leakMillis, stack: String(new Error('acquired here').stack) }
}
