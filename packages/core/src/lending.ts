import type { Clock } from './clock.ts'
import type { Driver } from './driver.ts'
import type { Borrower, Entry } from './entry.ts'
import { AcquireTimeoutError, CreateError, type PoolClosedError, QueueFullError } from './errors.ts'
import { endLease, type Lender, PooledLease } from './lease.ts'
import { LinkedList } from './list.ts'
import { Maintenance } from './maintenance.ts'
import { checkArguments, type ParsedOptions } from './parse-options.ts'
import { Queue, Waiter } from './queue.ts'
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
 * The end of an idle resource is heard when the event loop polls. If the loop was blocked, that may not have happened yet for a
 * resource that has been idle for so long. It is HikariCP's limit, which validates then.
 */
const FRESH_MILLIS = 500

/**
 * Lends what is in stock: from the idle stack, or through the queue; takes it back, and passes it on.
 *
 * What happens at each use is apart from what happens seldom: V8 inlines all of the former, if it is short enough, which
 * is a tenth of the time of a contended acquire.
 */
export class Lending<R extends object> {
  /** In the order in which they came back. */
  readonly idle = new LinkedList<Entry<R>>()
  readonly queue: Queue<R>
  readonly #options: ParsedOptions
  readonly #stock: Stock<R>
  readonly #host: LendingHost<R>
  readonly #clock: Clock
  readonly #maintenance: Maintenance<R>
  readonly #lender: Lender<R>
  readonly #fifo: boolean
  /** A resource that has been idle for longer is validated before it is lent. */
  readonly #trustMillis: number
  /** A resource that has been idle for longer is lent only after the event loop has polled. */
  readonly #freshMillis: number
  /** How often the event loop is known to have polled. */
  #polls = 0
  #pollExpected = false
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
    this.#freshMillis = Math.min(this.#trustMillis, FRESH_MILLIS)
    this.#holds =
      options.allowExitOnIdle && (driver.ref !== undefined || driver.unref !== undefined)
    this.#resets = driver.reset !== undefined
    this.queue = new Queue(
      clock,
      () => host.checkProcess(),
      (waiter) => this.#timedOut(waiter),
      () => host.changed(),
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
      idle: this.idle,
      checkProcess: () => host.checkProcess(),
      numbers: () => host.stats(),
      entries: () => stock.entries(),
      destroy: (entry, reason) => this.end(entry, reason),
      validate: (entry) => this.#validate(entry, 'keepalive'),
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
      const entry = this.queue.waiting === 0 ? this.#takeIdle() : undefined
      if (entry !== undefined) return Promise.resolve(this.#lend(entry, borrower))
      return this.#wait(borrower, options)
    } catch (error) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may be anything
      return Promise.reject(error)
    }
  }

  #wait(borrower: Borrower | undefined, options?: AcquireOptions): Promise<Lease<R>> {
    if (!this.#host.isOpen()) throw this.#host.refusal()
    if (this.#stock.backoff.pausing || this.queue.waiting >= this.#options.maxWaitingClients) {
      this.#refuseHopeless()
    }
    const waiter = new Waiter<R>(
      options?.priority ?? 0,
      this.#clock.moment(),
      options?.timeoutMillis ?? this.#options.acquireTimeoutMillis,
    )
    waiter.borrower = borrower
    if (options?.signal !== undefined) this.#listen(waiter, options.signal)
    this.queue.enqueue(waiter)
    if (this.#stock.mayOpen || this.idle.length > 0) this.#host.supply()
    return waiter.promise
  }

  /** The idle resource whose turn it is, unless it must be validated first. */
  #takeIdle(): Entry<R> | undefined {
    const { idle } = this
    const entry = this.#fifo ? idle.first : idle.last
    if (entry === undefined || !this.#host.isOpen()) return undefined
    if (this.#trustMillis !== Infinity) {
      const clock = this.#clock
      clock.look()
      if (clock.wall - entry.trustedAtWall > this.#freshMillis) return undefined
      if (clock.monotonic - entry.trustedAt > this.#freshMillis) return undefined
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
    if (this.idle.length > 0) return
    if (backoff.pausing && backoff.failure?.kind === 'fatal') {
      throw new CreateError(this.#host.stats(), backoff.failure.error)
    }
    const { maxWaitingClients } = this.#options
    if (this.queue.waiting < maxWaitingClients || this.#stock.mayOpen) return
    // Callers who will be served by a resource that is on its way, or still to be opened, do not count.
    if (this.queue.waiting - this.#stock.coming - this.#stock.room < maxWaitingClients) return
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
    // With a timeout of 0 it did not wait for anything.
    if (waiter.timeoutMillis > 0) this.#stock.outlived(this.#clock.now() - waiter.since)
    this.queue.remove(waiter)
    waiter.reject(reason)
    this.#host.supply()
  }

  #takeBack(entry: Entry<R>): void {
    entry.lease = undefined
    if (entry.uses >= this.#options.maxUses) this.end(entry, 'uses')
    else if (entry.generation.retired) this.end(entry, 'recycle')
    else if (this.#resets) this.#reset(entry)
    else if (this.queue.waiting > 0) this.#handOver(entry)
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
    const waiter = this.queue.next()
    if (waiter === undefined) return this.#layDown(entry)
    entry.test = undefined
    return waiter.resolve(this.#lend(entry, waiter.borrower))
  }

  #layDown(entry: Entry<R>): void {
    if (!this.#host.isOpen()) return this.end(entry, 'close')
    this.#clock.look()
    if (this.#isExpired(entry)) return this.end(entry, 'lifetime')
    const { wall, monotonic } = this.#clock
    if (entry.test !== 'poll') {
      entry.trustedAt = monotonic
      entry.trustedAtWall = wall
      this.#expectPoll(entry)
    }
    if (entry.test === undefined) {
      entry.idleSince = monotonic
      this.idle.push(entry)
    } else this.#putBack(entry)
    entry.test = undefined
    entry.state = 'idle'
    this.#maintenance.expect(Math.min(entry.expiresAt, monotonic + this.#maintenance.span))
    if (this.#holds) this.#stock.hold(entry, 'unref')
  }

  #expectPoll(entry: Entry<R>): void {
    entry.polls = this.#polls
    if (this.#pollExpected) return
    this.#pollExpected = true
    setImmediate(this.#polled).unref()
  }

  readonly #polled = (): void => {
    this.#pollExpected = false
    this.#polls++
  }

  /** Puts it where it was idle: a test is no use. */
  #putBack(entry: Entry<R>): void {
    const { idle } = this
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

  #validate(entry: Entry<R>, test?: 'keepalive'): void {
    entry.test = test
    this.idle.remove(entry)
    const began = this.#clock.now()
    this.#stock.validate(entry, () => this.#proveIdle(began))
  }

  /**
   * One did not work, so the others that are idle may not either: a router has forgotten the connections, a server was
   * started anew. They are tried together, and not by one caller after another, each of whom could wait for every one.
   */
  #proveIdle(unlessTrustedSince: number): void {
    for (const entry of this.idle.members()) {
      if (entry.state === 'idle' && entry.trustedAt < unlessTrustedSince) {
        this.#validate(entry, 'keepalive')
      }
    }
  }

  end(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    const { state } = entry
    if (state === 'destroying' || state === 'gone') return
    if (state === 'idle') this.idle.remove(entry)
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

  /** Tests the idle resource whose turn it is, for a waiting caller. Returns whether there was one. */
  testNext(): boolean {
    const { idle } = this
    const entry = this.#fifo ? idle.first : idle.last
    if (entry === undefined) return false
    if (this.#mayBeDead(entry)) this.#validate(entry)
    else {
      entry.test = 'poll'
      idle.remove(entry)
      this.#stock.poll(entry)
    }
    return true
  }

  /** Whether only the driver can tell if an idle resource still works: no end of it may have been heard. */
  #mayBeDead(entry: Entry<R>): boolean {
    const clock = this.#clock
    const wallMillis = clock.wall - entry.trustedAtWall
    const idleMillis = Math.max(wallMillis, clock.monotonic - entry.trustedAt)
    if (idleMillis > this.#trustMillis) return true
    // The event loop has been blocked ever since it became idle.
    return idleMillis > this.#freshMillis && entry.polls === this.#polls
  }

  /** Keeps to a new `min` and `max`: ends what is idle in excess now, and the rest as it comes back. */
  resized(): void {
    this.#shrinking = true
    // There may be more to spare than before.
    this.#maintenance.expect(0)
    const { idle } = this
    while (idle.first !== undefined && this.#exceeds()) this.end(idle.first, 'resize')
  }

  /**
   * Time is missing: the process or its machine was frozen, and what is idle may have been dropped meanwhile. Where the
   * monotonic clock has gone `back`, its timers would sleep for as long.
   */
  leapt(back: boolean): void {
    for (const entry of this.idle.members()) entry.trustedAtWall = -Infinity
    const endTimers = back ? this.#stock.endingTimers() : undefined
    // Somebody is in the middle of something and looked at the clock.
    queueMicrotask(() => {
      if (endTimers !== undefined) {
        this.queue.wake()
        this.#maintenance.wake()
        endTimers()
      }
      this.#host.thawed()
    })
  }

  endIdle(reason: DestroyReason): void {
    const { idle } = this
    while (idle.first !== undefined) this.end(idle.first, reason)
  }

  /** No more timers. */
  stop(): void {
    this.#maintenance.stop()
    this.queue.stop()
  }

  /** Forgets the idle resources and rejects the waiting callers: they belong to another process. */
  disown(error: () => Error): void {
    this.stop()
    this.#clock.reset()
    this.idle.clear()
    this.queue.rejectAll(error)
  }
}

function newBorrower(leakMillis: number): Borrower {
  return { leakMillis, stack: String(new Error('acquired here').stack) }
}
