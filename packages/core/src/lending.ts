import type { Clock } from './clock.ts'
import type { Driver } from './driver.ts'
import type { Borrower, Entry } from './entry.ts'
import { AcquireTimeoutError, CreateError, type PoolClosedError, QueueFullError } from './errors.ts'
import { Handoff, Waiter } from './handoff.ts'
import { endLease, type Lender, PooledLease } from './lease.ts'
import { Maintenance } from './maintenance.ts'
import { checkArguments, type ParsedOptions } from './parse-options.ts'
import { onAbort } from './signals.ts'
import type { PoolStats } from './stats.ts'
import type { Stock } from './stock.ts'
import type { AcquireOptions, DestroyReason, Lease } from './surface.ts'

/** What lending asks of its pool. */
export interface LendingHost<R extends object> {
  isOpen(): boolean
  stats(): PoolStats
  /** Looks for a change of process. */
  checkProcess(): void
  /** Why no more is lent. */
  refusal(): PoolClosedError
  /** Somebody waits, or no longer does: there may be something to open. */
  supply(): void
  /** The same, but for nobody who uses the pool in this process. */
  changed(): void
  leaked(entry: Entry<R>, borrower: Borrower, heldMillis: number): void
  thawed(): void
}

/**
 * Lends what is in stock: from the idle stack, or through the queue; takes it back, and passes it on.
 *
 * What happens at each use is apart from what happens seldom: V8 inlines all of the former, if it is short enough, which
 * is a tenth of the time of a contended acquire.
 */
export class Lending<R extends object> {
  readonly handoff: Handoff<R>
  readonly #options: ParsedOptions
  readonly #stock: Stock<R>
  readonly #host: LendingHost<R>
  readonly #clock: Clock
  readonly #maintenance: Maintenance<R>
  readonly #lender: Lender<R>
  readonly #fifo: boolean
  /** Idle for longer, a resource is validated before it is lent. */
  readonly #trustMillis: number
  /** Whether the driver wants to know who holds the process open. */
  readonly #holds: boolean
  readonly #resets: boolean
  /** More may exist than a lowered `max` allows. */
  #shrinking = false

  constructor(
    driver: Driver<R, unknown, object>,
    options: ParsedOptions,
    clock: Clock,
    stock: Stock<R>,
    host: LendingHost<R>,
  ) {
    const { validateAfterIdleMillis: trust } = options
    this.#options = options
    this.#clock = clock
    this.#stock = stock
    this.#host = host
    this.#fifo = options.fifo
    this.#trustMillis = driver.validate === undefined ? Infinity : trust > 0 ? trust : -1
    this.#holds =
      options.allowExitOnIdle && (driver.ref !== undefined || driver.unref !== undefined)
    this.#resets = driver.reset !== undefined
    this.handoff = new Handoff(
      clock,
      () => host.checkProcess(),
      (waiter) => this.#timedOut(waiter),
    )
    this.#lender = {
      name: options.name,
      checkProcess: () => host.checkProcess(),
      takeBack: (entry) => this.#takeBack(entry),
      takeBackBroken: (entry, error) => this.end(entry, 'broken', error),
    }
    this.#maintenance = new Maintenance({
      options,
      clock,
      handoff: this.handoff,
      checkProcess: () => host.checkProcess(),
      numbers: () => host.stats(),
      entries: () => stock.entries(),
      destroy: (entry, reason) => this.end(entry, reason),
      validate: (entry) => this.#validate(entry, true),
      leaked: (entry, borrower, heldMillis) => host.leaked(entry, borrower, heldMillis),
    })
  }

  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    try {
      if (options !== undefined) {
        checkArguments(this.#options.name, 'acquire', options)
        options.signal?.throwIfAborted()
      }
      const leakMillis = options?.leakDetectionMillis ?? this.#options.leakDetectionMillis
      const borrower = leakMillis > 0 ? newBorrower(leakMillis) : undefined
      const entry = this.handoff.waiting === 0 ? this.#takeIdle() : undefined
      if (entry !== undefined) return Promise.resolve(this.#lend(entry, borrower))
      return this.#wait(borrower, options)
    } catch (error) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may be anything
      return Promise.reject(error)
    }
  }

  #wait(borrower: Borrower | undefined, options?: AcquireOptions): Promise<Lease<R>> {
    if (!this.#host.isOpen()) throw this.#host.refusal()
    if (this.#stock.backoff.pausing || this.handoff.waiting >= this.#options.maxWaitingClients) {
      this.#refuseHopeless()
    }
    this.#clock.look()
    const waiter = new Waiter<R>(
      options?.priority ?? 0,
      // A whole number takes no memory of its own.
      Math.ceil(this.#clock.monotonic),
      options?.timeoutMillis ?? this.#options.acquireTimeoutMillis,
    )
    waiter.borrower = borrower
    if (options?.signal !== undefined) this.#listen(waiter, options.signal)
    this.handoff.enqueue(waiter)
    if (this.#stock.mayOpen || this.handoff.idle.length > 0) this.#host.supply()
    return waiter.promise
  }

  /** The idle resource whose turn it is, unless it must be validated first. */
  #takeIdle(): Entry<R> | undefined {
    const { idle } = this.handoff
    const entry = this.#fifo ? idle.first : idle.last
    if (entry === undefined || !this.#host.isOpen()) return undefined
    if (this.#trustMillis !== Infinity) {
      const clock = this.#clock
      clock.look()
      if (clock.wall - entry.trustedAtWall > this.#trustMillis) return undefined
      if (clock.monotonic - entry.trustedAt > this.#trustMillis) return undefined
    }
    idle.remove(entry)
    return entry
  }

  #lend(entry: Entry<R>, borrower: Borrower | undefined): Lease<R> {
    // What passes from hand to hand holds the process open already.
    const fromHand = entry.state === 'lent' || entry.state === 'resetting'
    entry.state = 'lent'
    entry.uses++
    entry.lentTo = borrower
    if (borrower !== undefined) this.#watchLeak(entry, borrower)
    const lease = new PooledLease(this.#lender, entry)
    entry.lease = lease
    if (this.#holds && !fromHand) this.#stock.hold(entry, 'ref')
    return lease
  }

  #watchLeak(entry: Entry<R>, borrower: Borrower): void {
    entry.lentAt = this.#clock.now()
    this.#maintenance.expect(entry.lentAt + borrower.leakMillis)
  }

  #refuseHopeless(): void {
    const { backoff } = this.#stock
    if (this.handoff.idle.length > 0) return
    if (backoff.pausing && backoff.failure?.kind === 'fatal') {
      throw new CreateError(this.#host.stats(), backoff.failure.error)
    }
    const { maxWaitingClients } = this.#options
    if (this.handoff.waiting < maxWaitingClients || this.#stock.mayOpen) return
    // Who will be served by a resource that is on its way is not in excess.
    if (this.handoff.waiting - this.#stock.coming < maxWaitingClients) return
    throw new QueueFullError(this.#host.stats(), maxWaitingClients)
  }

  /** A method of its own: a closure in `#wait` would cost every wait a context on the heap. */
  #listen(waiter: Waiter<R>, signal: AbortSignal): void {
    waiter.stopListening = onAbort(signal, () => this.#giveUp(waiter, signal.reason))
  }

  #timedOut(waiter: Waiter<R>): void {
    const stats = this.#host.stats()
    const { failure, coming } = this.#stock
    const opening = stats.creating > 0 || failure !== undefined
    const phase = opening ? 'creating' : coming > 0 ? 'validating' : 'waiting'
    const waitedMillis = this.#clock.monotonic - waiter.since
    this.#giveUp(waiter, new AcquireTimeoutError(stats, waitedMillis, phase, failure))
  }

  #giveUp(waiter: Waiter<R>, reason: unknown): void {
    this.handoff.remove(waiter)
    waiter.reject(reason)
    this.#host.supply()
  }

  #takeBack(entry: Entry<R>): void {
    entry.lease = undefined
    if (entry.uses >= this.#options.maxUses) this.end(entry, 'uses')
    else if (entry.generation.retired) this.end(entry, 'recycle')
    else if (this.#resets) this.#reset(entry)
    else if (this.handoff.waiting > 0) this.#handOver(entry)
    else this.offer(entry)
  }

  /** Whoever waits may have begun to in another process; where uses come in a burst, that is noticed at the next one. */
  #handOver(entry: Entry<R>): void {
    if (this.#clock.look()) this.#host.checkProcess()
    if (entry.state === 'lent') this.offer(entry)
  }

  #reset(entry: Entry<R>): void {
    this.#clock.look()
    if (this.#isExpired(entry)) this.end(entry, 'lifetime')
    else this.#stock.reset(entry)
  }

  /** Whether its life was over when the clocks were looked at last. */
  #isExpired(entry: Entry<R>): boolean {
    return this.#clock.monotonic >= entry.expiresAt
  }

  /** Passes a resource to the next holder, or lays it down as idle. */
  offer(entry: Entry<R>): void {
    if (entry.generation.retired) return this.end(entry, 'recycle')
    if (this.#isExpired(entry)) return this.end(entry, 'lifetime')
    if (this.#shrinking && this.#exceeds()) return this.end(entry, 'resize')
    const waiter = this.handoff.next()
    if (waiter === undefined) return this.#layDown(entry)
    entry.keptAlive = false
    return waiter.resolve(this.#lend(entry, waiter.borrower))
  }

  #layDown(entry: Entry<R>): void {
    if (!this.#host.isOpen()) return this.end(entry, 'close')
    this.#clock.look()
    if (this.#isExpired(entry)) return this.end(entry, 'lifetime')
    const { wall, monotonic } = this.#clock
    entry.trustedAt = monotonic
    entry.trustedAtWall = wall
    if (entry.keptAlive) this.#putBack(entry)
    else {
      entry.idleSince = monotonic
      this.handoff.idle.push(entry)
    }
    entry.keptAlive = false
    entry.state = 'idle'
    this.#maintenance.expect(Math.min(entry.expiresAt, monotonic + this.#maintenance.span))
    if (this.#holds) this.#stock.hold(entry, 'unref')
  }

  /** To where it was idle: a keepalive is no use. */
  #putBack(entry: Entry<R>): void {
    const { idle } = this.handoff
    let next = idle.first
    while (next !== undefined && next.idleSince <= entry.idleSince) next = next.next
    idle.insert(entry, next)
    this.#maintenance.expect(entry.idleSince + this.#options.idleTimeoutMillis)
  }

  /** Whether more exist than a lowered `max` allows. */
  #exceeds(): boolean {
    this.#shrinking = this.#stock.kept > this.#options.max
    return this.#shrinking
  }

  #validate(entry: Entry<R>, keptAlive = false): void {
    entry.keptAlive = keptAlive
    this.handoff.idle.remove(entry)
    const began = this.#clock.now()
    this.#stock.validate(entry, () => this.#proveIdle(began))
  }

  /**
   * One did not work, so the others that are idle may not either: a router has forgotten the connections, a server was
   * started anew. They are tried together, and not by one caller after another, each of whom could wait for every one.
   */
  #proveIdle(unlessTrustedSince: number): void {
    for (const entry of this.handoff.idle.members()) {
      if (entry.state === 'idle' && entry.trustedAt < unlessTrustedSince) {
        this.#validate(entry, true)
      }
    }
  }

  end(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    const { state } = entry
    if (state === 'destroying' || state === 'gone') return
    if (state === 'idle') this.handoff.idle.remove(entry)
    entry.lease = undefined
    this.#stock.destroy(entry, reason, error)
    // Somebody may have counted on it, or `min` does, and need not wait for its end. A close that ends all goes on by itself.
    if (state !== 'idle' || this.#host.isOpen()) this.#host.changed()
  }

  lost(entry: Entry<R>, error: Error): void {
    // In a forked child the end of an inherited connection is no concern of ours.
    this.#host.checkProcess()
    if (entry.state === 'destroying' || entry.state === 'gone') return
    // A server that accepts and then hangs up is failing, too.
    const isNew = this.#clock.now() - entry.startedAt < this.#options.createTimeoutMillis
    if (isNew && entry.uses === 0 && !entry.generation.retired) {
      this.#stock.backoff.failed(error, 'transient')
    }
    this.endUnderHolder(entry, 'lost', error)
  }

  /** Ends a resource that may be lent: its holder finds out at the next use. */
  endUnderHolder(entry: Entry<R>, reason: 'lost' | 'close', error?: Error): void {
    if (entry.lease !== undefined) endLease(entry.lease, reason, error)
    this.end(entry, reason, error)
  }

  /** Has the idle resource whose turn it is validated, for those who wait. Returns whether there was one. */
  validateNext(): boolean {
    const { idle } = this.handoff
    const entry = this.#fifo ? idle.first : idle.last
    if (entry === undefined) return false
    this.#validate(entry)
    return true
  }

  /** Keeps to a new `min` and `max`: ends what is idle in excess now, and the rest as it comes back. */
  resized(): void {
    this.#shrinking = true
    // There may be more to spare than before.
    this.#maintenance.expect(0)
    const { idle } = this.handoff
    while (idle.first !== undefined && this.#exceeds()) this.end(idle.first, 'resize')
  }

  /**
   * Time is missing: the process or its machine was frozen, and what is idle may have been dropped meanwhile. Where the
   * monotonic clock has gone `back`, its timers would sleep for as long.
   */
  leapt(back: boolean): void {
    for (const entry of this.handoff.idle.members()) entry.trustedAtWall = -Infinity
    const endTimers = back ? this.#stock.endingTimers() : undefined
    // Somebody is in the middle of something and looked at the clock.
    queueMicrotask(() => {
      if (endTimers !== undefined) {
        this.handoff.wake()
        this.#maintenance.wake()
        endTimers()
      }
      this.#host.thawed()
    })
  }

  endIdle(reason: DestroyReason): void {
    const { idle } = this.handoff
    while (idle.first !== undefined) this.end(idle.first, reason)
  }

  /** No more timers. */
  stop(): void {
    this.#maintenance.stop()
    this.handoff.stop()
  }

  /** What is idle belongs to another process, and so does whoever waits. */
  abandon(error: () => Error): void {
    this.stop()
    this.#clock.reset()
    this.handoff.idle.clear()
    this.handoff.rejectAll(error)
  }
}

function newBorrower(leakMillis: number): Borrower {
  return { leakMillis, stack: String(new Error('acquired here').stack) }
}
