import type { PoolClosedError } from '../api/errors.ts'
import { StaleResourceError } from '../api/errors.ts'
import type { ShareHooks } from '../api/driver.ts'
import type { ShareOptions } from '../api/pool.ts'
import type { Context } from '../context/context.ts'
import { checkArguments, checkWork } from '../context/parse-options.ts'
import type { Entry } from '../stock/entry.ts'
import type { Stock } from '../stock/stock.ts'
import type { Moment } from '../tools/clock.ts'
import { Heap } from '../tools/heap.ts'
import { expected } from '../tools/rules.ts'
import { onAbort } from '../tools/signals.ts'
import { startTimer } from '../tools/timers.ts'
import { EventLoop } from './event-loop.ts'
import type { Queue, Waiter } from './queue.ts'
import { Request } from './request.ts'
import { Shared } from './shared.ts'
import { SlowKeys } from './slow-keys.ts'
import type { Supply } from './supply.ts'
import { Unsent } from './unsent.ts'

/** A resource may be busy for so long with requests whose callers have all given up. */
const PATIENCE_MILLIS = 3_000

/** How `Sharing` reaches the part that lends. */
export interface Lender<R extends object> {
  /** Marks a resource as shared. */
  shareOut(entry: Entry<R>): void
  /** Resets a resource and passes it on. */
  takeBack(entry: Entry<R>): void
  /** Passes a resource on, or lays it down. */
  ready(entry: Entry<R>): void
  /** Whether a resource ends when it comes back. */
  isLeaving(entry: Entry<R>): boolean
  /** @throws {PoolClosedError} if the pool is closing or closed. */
  refuseIfClosed(): void
  /** @throws {PoolError} if nobody else may wait. `together` is the number of waiting callers that can use one resource. */
  admit(together: number): void
  /** Removes a caller that waited and was rejected. */
  giveUp(waiter: Waiter<R>): void
  /** A caller waits. */
  runSupply(): void
  refusal(): PoolClosedError
}

/**
 * Sends the requests of many callers on the same resources.
 *
 * A request goes to a resource with nothing in flight. It waits for one that is on its way and not promised to another caller.
 * Otherwise, it goes behind others, on the resource with the fewest in flight that has room. Otherwise, it waits in the queue.
 *
 * A caller of `acquire` that nothing on its way will serve reserves the resource with the fewest in flight. Nothing more is sent on
 * that one. Once it is empty, the oldest caller gets it.
 */
export class Sharing<R extends object> {
  /** The requests that are sent and not answered. */
  inFlight = 0
  readonly #context: Context<R>
  readonly #stock: Stock<R>
  readonly #queue: Queue<R>
  readonly #supply: Supply<R>
  readonly #lender: Lender<R>
  readonly #hooks: ShareHooks<R> | undefined
  readonly #flushHook: ((resource: R) => void) | undefined
  readonly #maxInFlight: number
  /** The requests in the queue. */
  readonly #unsent = new Unsent<R>()
  readonly #shared = new Set<Shared<R>>()
  /** The shared resources on which another request may be sent. */
  readonly #roomy = new Heap<'place', Shared<R>>('place', hasFewer)
  #reserved = 0
  readonly #slow: SlowKeys | undefined
  /** The end of this tick: when the requests with keys are sent. */
  #tick: Moment | undefined
  #tickEnds = false
  /** The clocks were read in this tick. */
  #clockIsRead = false
  #unflushed: Shared<R>[] = []

  constructor(
    context: Context<R>,
    stock: Stock<R>,
    queue: Queue<R>,
    supply: Supply<R>,
    lender: Lender<R>,
  ) {
    const { driver, options } = context
    this.#context = context
    this.#stock = stock
    this.#queue = queue
    this.#supply = supply
    this.#lender = lender
    this.#hooks = driver.share
    this.#flushHook = this.#hooks?.flush?.bind(this.#hooks)
    this.#maxInFlight = driver.share === undefined ? 1 : options.maxInFlight
    const learns = this.#maxInFlight > 1 && options.sealAfterMillis < Infinity
    this.#slow = learns
      ? new SlowKeys(options.sealAfterMillis, new EventLoop(context.clock))
      : undefined
  }

  share(work: (resource: R) => unknown, options: ShareOptions | undefined): Promise<unknown> {
    const { clock, options: defaults } = this.#context
    checkWork(defaults.name, 'share', work)
    if (options !== undefined) {
      checkArguments(defaults.name, 'share', options)
      options.signal?.throwIfAborted()
    }
    this.#lender.refuseIfClosed()
    clock.look()
    const shared = this.#placeNow()
    if (shared !== undefined) {
      const request = new Request(work, options)
      this.#send(shared, request)
      return request.promise
    }
    if (!this.#mayGoBehind || this.#roomy.size === 0) this.#lender.admit(this.#maxInFlight)
    return this.#wait(work, options)
  }

  #wait(work: (resource: R) => unknown, options: ShareOptions | undefined): Promise<unknown> {
    const { acquireTimeoutMillis } = this.#context.options
    const { priority = 0, signal, timeoutMillis = acquireTimeoutMillis } = options ?? {}
    const waiter = this.#queue.enqueue(priority, timeoutMillis)
    const request = new Request(work, options, waiter)
    const stop =
      signal &&
      onAbort(signal, () => {
        waiter.reject(signal.reason)
        this.#lender.giveUp(waiter)
      })
    waiter.stopListening = () => {
      stop?.()
      this.#unsent.remove(request)
    }
    this.#unsent.add(request)
    this.#lender.runSupply()
    return request.promise
  }

  /** Returns a resource for a request that need not wait. */
  #placeNow(): Shared<R> | undefined {
    if (this.#queue.waiting === 0) {
      const entry = this.#stock.idle.takeFresh()
      if (entry !== undefined) return this.#begin(entry)
    }
    return this.#unsent.size === 0 && this.#mayGoBehind ? this.#nextRoomy() : undefined
  }

  /** Whether another request need not wait for a resource that is on its way, or could be. */
  get #mayGoBehind(): boolean {
    if (this.#stock.idle.length > 0 || this.#supply.mayOpen) return false
    return this.#queue.waiting >= this.#coming
  }

  /** How many resources are on their way. While creates fail, nobody counts on them who can be served otherwise. */
  get #coming(): number {
    const { backoff, coming } = this.#stock
    return backoff.failure === undefined ? coming : 0
  }

  get isInUse(): boolean {
    return this.#shared.size > 0
  }

  /** Serves the oldest caller if it is a request. Returns whether it is. */
  takes(entry: Entry<R>): boolean {
    if (!this.#isRequestsTurn) return false
    this.#context.checkProcess()
    if (isOver(entry)) return true
    entry.test = undefined
    const shared = this.#begin(entry)
    if (shared !== undefined) this.#fill(shared)
    return true
  }

  get #isRequestsTurn(): boolean {
    const request = this.#unsent.first
    return request !== undefined && this.#queue.first === request.waiter
  }

  /** Reserves resources for callers of `acquire`, and sends the requests that need not wait. */
  balance(): void {
    if (this.#shared.size === 0) return
    if (this.#unsent.size > 0) this.#context.checkProcess()
    for (;;) {
      const missing = this.#queue.waiting - this.#unsent.size - this.#coming - this.#reserved
      if (missing < 0 && this.#reserved > 0) this.#unreserveOne()
      else if (missing <= 0 || this.#isRequestsTurn || !this.#reserve()) {
        if (!this.#sendNext()) return
      }
    }
  }

  /** Sends the oldest request. Returns `false` if there is none, or it has to wait. */
  #sendNext(): boolean {
    if (this.#unsent.size === 0 || this.#queue.waiting <= this.#coming) return false
    const shared = this.#nextRoomy()
    const request = this.#unsent.first
    if (shared === undefined || request === undefined) return false
    this.#take(request)
    this.#send(shared, request)
    return true
  }

  /** Removes a request from the queue. */
  #take(request: Request<R>): void {
    const waiter = request.waiter as Waiter<R>
    this.#queue.served(waiter)
    this.#queue.remove(waiter)
  }

  /** Marks for its end whatever is beyond `max`. */
  shrink(surplus: number): void {
    for (const shared of this.#shared) if (shared.surplus) surplus--
    for (; surplus > 0; surplus--) {
      const shared = this.#emptiest(({ surplus }) => !surplus)
      if (shared === undefined) return
      shared.surplus = true
      this.#rank(shared)
    }
  }

  /** The resources belong to another process, and so do the answers. */
  disown(): void {
    const { name } = this.#context.options
    for (const shared of this.#shared) {
      this.#leave(shared)
      this.#reject(shared, () => new StaleResourceError(name, 'the request'))
    }
    this.#unflushed = []
  }

  /** Makes a resource shared. Returns `undefined` if a hook prevents it. */
  #begin(entry: Entry<R>): Shared<R> | undefined {
    const isFirst = entry.uses === 0
    // Each hook may end the resource.
    this.#lender.shareOut(entry)
    if (entry.state !== 'shared') return undefined
    const shared = this.#sharedOf(entry)
    if (entry.state !== 'shared') return undefined
    this.#shared.add(shared)
    if (shared.limit > 1) {
      this.#stock.shared++
      this.#call(shared, 'begin')
    }
    if (entry.state !== 'shared') return undefined
    if (isFirst) this.#slow?.limitRoundTrip(this.#context.clock.monotonic - entry.startedAt)
    this.#rank(shared)
    if (shared.place >= 0) return shared
    // A hook has retired it, or has made a caller reserve it.
    this.#emptied(shared)
    return undefined
  }

  #sharedOf(entry: Entry<R>): Shared<R> {
    if (entry.sharers === undefined) {
      const limit = this.#maxInFlight > 1 && this.#isAccepted(entry) ? this.#maxInFlight : 1
      entry.sharers = new Shared(entry, limit, (shared) => this.#ended(shared))
    }
    return entry.sharers as Shared<R>
  }

  #isAccepted(entry: Entry<R>): boolean {
    try {
      return this.#hooks?.accepts?.(entry.resource as R) ?? true
    } catch (error) {
      this.#stock.hooks.failed(entry, 'share.accepts', error)
      return false
    }
  }

  /** Sends requests on a resource with nothing in flight, the oldest one first. */
  #fill(shared: Shared<R>): void {
    const request = this.#unsent.first
    if (request === undefined) return this.#emptied(shared)
    this.#take(request)
    this.#send(shared, request)
    return this.balance()
  }

  #send(shared: Shared<R>, request: Request<R>): void {
    const { key, signal } = request
    shared.entry.uses++
    this.#context.counts.acquired++
    shared.requests.push(request)
    request.shared = shared
    this.inFlight++
    if (request.seal || (key !== undefined && this.#slow?.has(key) === true)) shared.seal = request
    this.#rank(shared)
    request.stopListening = signal && onAbort(signal, () => this.#abandon(request, signal.reason))
    if (shared.limit > 1) this.#expectFlush(shared, request)
    try {
      const answer = request.send(shared.entry.resource as R)
      if (!isThenable(answer)) {
        const where = `Pool "${this.#context.options.name}", \`share\``
        throw expected(where, 'the function to return a promise', answer)
      }
      answer.then(
        (value) => this.#answered(request, value),
        (error: unknown) => this.#failed(request, error),
      )
    } catch (error) {
      this.#failed(request, error)
    }
  }

  #answered(request: Request<R>, value: unknown): void {
    const shared = this.#settle(request, true)
    if (shared === undefined) return
    request.resolve(value as never)
    this.#freed(shared)
  }

  #failed(request: Request<R>, error: unknown): void {
    const shared = this.#settle(request, false)
    if (shared === undefined) return
    request.reject(error)
    this.#freed(shared)
  }

  /** Gives up the place of a request in flight. Returns `undefined` if it has none any more: it ended with its resource. */
  #settle(request: Request<R>, ok: boolean): Shared<R> | undefined {
    this.#context.checkProcess()
    const { key, sent, shared } = request
    if (shared === undefined) return undefined
    if (key !== undefined && sent !== undefined && sent.at >= 0) {
      const now = this.#now()
      // The client itself may have failed it.
      if (ok) this.#slow?.travelled(now - sent.at)
      this.#slow?.answered(key, sent.at, shared.answeredAt, now)
      shared.answeredAt = now
    }
    this.#remove(shared, request)
    return shared
  }

  #remove(shared: Shared<R>, request: Request<R>): void {
    request.shared = undefined
    shared.requests.remove(request)
    this.inFlight--
    if (shared.seal === request) shared.seal = undefined
    request.abandoned?.clear()
    request.stopListening?.()
  }

  /** There is room for another request. */
  #freed(shared: Shared<R>): void {
    if (shared.requests.length === 0) this.#emptied(shared)
    else {
      this.#rank(shared)
      if (this.#unsent.size > 0) this.balance()
    }
  }

  /** Nothing is in flight: passes the resource on. */
  #emptied(shared: Shared<R>): void {
    const { entry } = shared
    this.#unreserve(shared)
    if (shared.limit === 1) {
      this.#leave(shared)
      return this.#lender.takeBack(entry)
    }
    this.#rank(shared)
    if (shared.place >= 0 && this.#isRequestsTurn) return this.#fill(shared)
    // Whoever gets it next may not flush it.
    this.#flush(shared)
    if (entry.state !== 'shared' || shared.requests.length > 0) return undefined
    this.#leave(shared)
    this.#call(shared, 'end')
    if (isOver(entry)) return undefined
    if (entry.uses >= this.#context.options.maxUses) return this.#stock.end(entry, 'uses')
    return this.#lender.ready(entry)
  }

  /** The resource is shared no more. */
  #leave(shared: Shared<R>): void {
    this.#unreserve(shared)
    shared.surplus = false
    shared.unflushed = false
    if (!this.#shared.delete(shared)) return
    if (shared.limit > 1) this.#stock.shared--
    // Its holder is about to be found.
    if (shared.entry.state === 'shared') shared.entry.state = 'lent'
    this.#rank(shared)
  }

  /** The resource has ended with requests in flight. */
  #ended(shared: Shared<R>): void {
    const { error } = shared.entry.ending
    this.#leave(shared)
    this.#reject(shared, () => error ?? this.#lender.refusal())
  }

  #reject(shared: Shared<R>, error: () => unknown): void {
    for (let request = shared.requests.first; request; request = shared.requests.first) {
      this.#remove(shared, request)
      request.rejectWith(error)
    }
  }

  /** The caller of a request in flight has given up. The answer is still to come, and belongs to nobody. */
  #abandon(request: Request<R>, reason: unknown): void {
    request.reject(reason)
    this.#expectAnswer(request)
  }

  #expectAnswer(request: Request<R>): void {
    request.abandoned = startTimer(() => {
      this.#context.checkProcess()
      if (request.shared === undefined) return
      const { entry, requests } = request.shared
      for (let other = requests.first; other; other = other.next) {
        if (other.abandoned === undefined) return this.#expectAnswer(request)
      }
      entry.isUnresponsive = true
      const message = `No answer came for ${PATIENCE_MILLIS} ms after the callers had given up.`
      this.#stock.end(entry, 'broken', new Error(message))
    }, PATIENCE_MILLIS)
  }

  /** Reserves the resource with the fewest requests in flight, but not the last one that requests can use. */
  #reserve(): boolean {
    const others = this.#shared.size - this.#reserved - 1
    const { max } = this.#context.options
    if (others < (max > 1 ? 1 : 0)) return false
    let shareable = 0
    const shared = this.#emptiest((shared) => {
      if (shared.reserved || shared.limit === 1 || this.#isLeaving(shared)) return false
      shareable++
      return true
    })
    if (shared === undefined || (shareable === 1 && max > 1)) return false
    shared.reserved = true
    this.#reserved++
    this.#rank(shared)
    return true
  }

  #emptiest(suits: (shared: Shared<R>) => boolean): Shared<R> | undefined {
    let best: Shared<R> | undefined
    for (const shared of this.#shared) {
      if (suits(shared) && (best === undefined || isEmptier(shared, best))) best = shared
    }
    return best
  }

  #unreserveOne(): void {
    for (const shared of this.#shared) {
      if (!shared.reserved) continue
      this.#unreserve(shared)
      return this.#rank(shared)
    }
  }

  #unreserve(shared: Shared<R>): void {
    if (shared.reserved) this.#reserved--
    shared.reserved = false
  }

  /** Returns the resource on which the next request is sent. */
  #nextRoomy(): Shared<R> | undefined {
    for (;;) {
      const shared = this.#roomy.first
      if (shared === undefined) return undefined
      const isFull = shared.requests.length > 0 && this.#call(shared, 'full') === true
      // The hook may have used the pool.
      if (shared.place < 0) continue
      if (!isFull && !this.#isLeaving(shared)) return shared
      // Until its next answer.
      this.#drop(shared)
    }
  }

  #isLeaving(shared: Shared<R>): boolean {
    if (shared.surplus || shared.entry.uses >= this.#context.options.maxUses) return true
    return this.#lender.isLeaving(shared.entry)
  }

  /** Puts a resource where it belongs among those that have room. */
  #rank(shared: Shared<R>): void {
    const hasRoom =
      shared.entry.state === 'shared' &&
      shared.requests.length < shared.limit &&
      shared.seal === undefined &&
      !shared.reserved &&
      !this.#isLeaving(shared)
    if (!hasRoom) this.#drop(shared)
    else if (shared.place >= 0) this.#roomy.moved(shared)
    else this.#roomy.add(shared)
  }

  #drop(shared: Shared<R>): void {
    if (shared.place >= 0) this.#roomy.remove(shared)
    shared.place = -1
  }

  #expectFlush(shared: Shared<R>, request: Request<R>): void {
    if (request.key !== undefined && this.#slow !== undefined) {
      request.sent = this.#tick ??= { at: -1 }
      this.#expectTickEnd()
    }
    if (this.#flushHook === undefined || shared.unflushed) return
    shared.unflushed = true
    this.#unflushed.push(shared)
    this.#expectTickEnd()
  }

  #expectTickEnd(): void {
    if (this.#tickEnds) return
    this.#tickEnds = true
    process.nextTick(this.#endTick)
  }

  readonly #endTick = (): void => {
    this.#tickEnds = false
    this.#clockIsRead = false
    const unflushed = this.#unflushed
    this.#unflushed = []
    for (const shared of unflushed) this.#flush(shared)
    if (this.#tick === undefined) return
    this.#tick.at = this.#context.clock.now()
    this.#tick = undefined
    this.#slow?.sent()
  }

  #flush(shared: Shared<R>): void {
    if (!shared.unflushed) return
    shared.unflushed = false
    this.#call(shared, 'flush')
  }

  /** The time of this tick, by the monotonic clock. */
  #now(): number {
    const { clock } = this.#context
    if (this.#clockIsRead) return clock.monotonic
    this.#clockIsRead = true
    this.#expectTickEnd()
    return clock.now()
  }

  /** Calls a hook. If it throws, the resource ends. */
  #call({ entry }: Shared<R>, hook: 'begin' | 'end' | 'full' | 'flush'): boolean | void {
    const hooks = this.#hooks as ShareHooks<R>
    const resource = entry.resource as R
    try {
      if (hook !== 'flush') return hooks[hook]?.(resource)
      return this.#stock.hooks.call(entry, this.#flushHook, resource)
    } catch (error) {
      this.#stock.hooks.failed(entry, `share.${hook}`, error)
      if (hook === 'begin') this.#stock.slowDownIfUnused(entry, error)
      return this.#stock.end(entry, 'broken', error)
    }
  }
}

function hasFewer<R extends object>(a: Shared<R>, b: Shared<R>): boolean {
  return a.requests.length < b.requests.length
}

/** A sealed one is busy with something slow. */
function isEmptier<R extends object>(a: Shared<R>, b: Shared<R>): boolean {
  if ((a.seal === undefined) !== (b.seal === undefined)) return a.seal === undefined
  return hasFewer(a, b)
}

/** Whether a hook has ended the resource, or a check has found that it belongs to another process. */
function isOver<R extends object>({ state }: Entry<R>): boolean {
  return state === 'destroying' || state === 'gone'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}
