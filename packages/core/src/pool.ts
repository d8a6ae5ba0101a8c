import type { CreateFailure, Driver } from './driver.ts'
import type { Entry } from './entry.ts'
import {
  AcquireTimeoutError,
  CreateError,
  PoolClosedError,
  QueueFullError,
  StaleResourceError,
} from './errors.ts'
import { Handoff, Waiter } from './handoff.ts'
import { type IdentityWatch, type ProcessChangeReason, processIdentity } from './identity.ts'
import { endLease, type Lender, PooledLease } from './lease.ts'
import { Maintenance } from './maintenance.ts'
import {
  checkArguments,
  checkSize,
  type ParsedOptions,
  parseOptions,
  type PoolOptions,
  show,
} from './options.ts'
import type { PoolStats } from './stats.ts'
import { Stock } from './stock.ts'
import type {
  AcquireOptions,
  CloseOptions,
  DestroyReason,
  ForkSafePool,
  Lease,
  PoolEvents,
  PoolListener,
} from './surface.ts'
import { Telemetry } from './telemetry.ts'
import { CoarseClock, startTimer } from './timers.ts'

const CLOSE_DEADLINE_MILLIS = 30_000

/**
 * Makes a pool of what `driver` opens, with the driver's verbs on it.
 * @throws {TypeError} for a wrong driver, and for a wrong or unknown option.
 */
export function createForkSafePool<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  options: PoolOptions<C>,
): ForkSafePool<R> & M {
  checkDriver(driver)
  return new Pool<R>(driver, options) as unknown as ForkSafePool<R> & M
}

function checkDriver(driver: unknown): void {
  const given = (typeof driver === 'object' && driver !== null ? driver : {}) as Record<
    string,
    unknown
  >
  if (typeof given['name'] !== 'string' || given['name'] === '') {
    throw new TypeError(`Expected a driver with a \`name\`, got ${show(driver)}.`)
  }
  for (const hook of ['create', 'destroy', 'discard']) {
    if (typeof given[hook] === 'function') continue
    throw new TypeError(
      `Driver "${given['name']}": expected \`${hook}\` to be a function, got ${show(given[hook])}.`,
    )
  }
}

/** What each method promises is said at `ForkSafePool`. */
export class Pool<R extends object> implements ForkSafePool<R> {
  readonly #options: ParsedOptions
  readonly #driver: Driver<R, unknown, object>
  readonly #telemetry: Telemetry
  readonly #clock = new CoarseClock()
  readonly #watch: IdentityWatch
  readonly #handoff: Handoff<R>
  readonly #stock: Stock<R>
  readonly #maintenance: Maintenance<R>
  readonly #lender: Lender<R>
  /** Idle for longer, a resource is validated before it is lent. */
  readonly #trustMillis: number
  /** Idle resources let the process end. */
  readonly #mayExit: boolean
  readonly #fifo: boolean
  readonly #warmUps = new Set<{ resolve: () => void; reject: (error: unknown) => void }>()
  /** A child that never uses its copy of the pool opens nothing for it, whatever `min` says. */
  #used = true
  /** More may exist than a lowered `max` allows. */
  #shrinking = false
  #state: 'open' | 'closing' | 'closed' = 'open'
  #closing: Promise<void> | undefined
  #closed: (() => void) | undefined

  constructor(driver: Driver<R, unknown, object>, options: object, identity = processIdentity) {
    const parsed = parseOptions(driver.name, options)
    const { validateAfterIdleMillis: trust } = parsed
    this.#options = parsed
    this.#driver = driver
    this.#trustMillis = driver.validate === undefined ? Infinity : trust > 0 ? trust : -1
    this.#fifo = parsed.fifo
    this.#mayExit =
      parsed.allowExitOnIdle && (driver.ref !== undefined || driver.unref !== undefined)
    this.#telemetry = new Telemetry(parsed.name)
    this.#watch = identity.watch(parsed.forkDetection, (reason) => this.#processChanged(reason))
    this.#handoff = new Handoff((waiter) => this.#timedOut(waiter))
    this.#lender = {
      name: parsed.name,
      checkProcess: () => this.#watch.check(),
      takeBack: (entry) => this.#takeBack(entry),
      takeBackBroken: (entry, error) => this.#end(entry, 'broken', error),
    }
    this.#stock = new Stock(
      driver,
      (options as { connection?: unknown }).connection,
      parsed,
      this.#telemetry,
      {
        checkProcess: () => this.#watch.check(),
        ready: (entry) => {
          this.#clock.read()
          this.#offer(entry)
        },
        failed: (error, kind) => this.#createFailed(error, kind),
        lost: (entry, error) => this.#lost(entry, error),
        changed: () => this.#supply(),
      },
    )
    this.#maintenance = new Maintenance({
      options: parsed,
      clock: this.#clock,
      handoff: this.#handoff,
      checkProcess: () => this.#watch.check(),
      numbers: () => this.stats,
      entries: () => this.#stock.entries(),
      destroy: (entry, reason) => this.#end(entry, reason),
      validate: (entry) => this.#validate(entry, true),
      leaked: (entry, heldMillis) => this.#leaked(entry, heldMillis),
    })
    this.#addMethods(driver.methods?.(this) ?? {})
    this.#supply()
  }

  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    this.#watch.check()
    if (this.#telemetry.acquireIsWatched) return this.#telemetry.acquiring(this.#acquire(options))
    return this.#acquire(options)
  }

  async use<T>(
    work: (resource: R, lease: Lease<R>) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    if (typeof work !== 'function') {
      throw new TypeError(
        `Pool "${this.#options.name}": expected \`use\` to be given a function, got ${show(work)}.`,
      )
    }
    const lease = await this.acquire(options)
    try {
      return await work(lease.resource, lease)
    } finally {
      lease[Symbol.dispose]()
    }
  }

  async warmUp({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#watch.check()
    if (this.#state !== 'open') throw this.#refusal()
    this.#used = true
    let warmUp!: { resolve: () => void; reject: (error: unknown) => void }
    const opened = new Promise<void>((resolve, reject) => {
      warmUp = { resolve, reject }
    })
    const abort = (): void => warmUp.reject(signal?.reason)
    this.#warmUps.add(warmUp)
    signal?.addEventListener('abort', abort, { once: true })
    this.#supply()
    try {
      await opened
    } finally {
      this.#warmUps.delete(warmUp)
      signal?.removeEventListener('abort', abort)
    }
  }

  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void {
    const { name } = this.#options
    checkArguments(name, 'resize', size)
    const next = { min: size.min ?? this.#options.min, max: size.max ?? this.#options.max }
    checkSize(name, next)
    Object.assign(this.#options, next)
    this.#shrinking = true
    this.#stir()
    let excess = this.#stock.kept - next.max
    for (const entry of this.#handoff.idle) {
      if (excess-- <= 0) break
      this.#end(entry, 'resize')
    }
    this.#supply()
  }

  recycle(): void {
    this.#watch.check()
    if (this.#state === 'closed') return
    this.#stock.recycle()
    for (const entry of this.#handoff.idle) this.#end(entry, 'recycle')
    this.#supply()
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#watch.check()
    if (this.#closing === undefined) {
      checkArguments(this.#options.name, 'close', options)
      this.#closing = this.#close(options.deadlineMillis ?? CLOSE_DEADLINE_MILLIS)
    }
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get stats(): PoolStats {
    const { name, min, max } = this.#options
    const stock = this.#stock
    const idle = this.#handoff.idle.length
    return {
      name,
      generation: stock.generation,
      min,
      max,
      size: stock.size,
      idle,
      borrowed: stock.size - stock.inTransit - idle,
      waiting: this.#handoff.waiting,
      creating: stock.creating,
      destroying: stock.destroying,
      identity: this.#watch.sourceName,
    }
  }

  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.events.on(event, listener)
    return this
  }

  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.events.once(event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.events.off(event, listener)
    return this
  }

  // Lending: from the idle stack, or through the queue.

  #acquire(options?: AcquireOptions): Promise<Lease<R>> {
    if (options === undefined && this.#handoff.waiting === 0) {
      const entry = this.#takeIdle()
      if (entry !== undefined) return Promise.resolve(this.#lend(entry))
    }
    // What is thrown in here rejects.
    return new Promise((resolve, reject) => {
      if (options !== undefined) checkArguments(this.#options.name, 'acquire', options)
      const signal = options?.signal
      signal?.throwIfAborted()
      if (this.#state !== 'open') throw this.#refusal()
      this.#used = true
      if (this.#handoff.waiting === 0) {
        const entry = this.#takeIdle()
        if (entry !== undefined) return resolve(this.#lend(entry))
      }
      this.#refuseHopeless()
      const waiter = new Waiter<R>(
        options?.priority ?? 0,
        // A whole number takes no memory of its own.
        Math.ceil(performance.now()),
        options?.timeoutMillis ?? this.#options.acquireTimeoutMillis,
        resolve,
        reject,
      )
      if (signal !== undefined) this.#listen(waiter, signal)
      this.#handoff.enqueue(waiter)
      return this.#supply()
    })
  }

  /** The idle resource whose turn it is, unless it must be validated first. */
  #takeIdle(): Entry<R> | undefined {
    const { idle } = this.#handoff
    const entry = this.#fifo ? idle.first : idle.last
    if (entry === undefined || this.#state !== 'open') return undefined
    const clock = this.#clock
    if (!this.#maintenance.awake) this.#maintenance.wake()
    else if (this.#trustMillis !== Infinity) clock.wall = Date.now()
    if (clock.wall - entry.trustedAtWall > this.#trustMillis) return undefined
    if (clock.monotonic - entry.trustedAt > this.#trustMillis) return undefined
    idle.remove(entry)
    return entry
  }

  #lend(entry: Entry<R>): Lease<R> {
    if (!this.#maintenance.awake) this.#stir()
    entry.state = 'lent'
    entry.uses++
    entry.lentAt = this.#clock.monotonic
    if (this.#options.leakDetectionMillis > 0) entry.lentTo = stackOfCaller()
    const lease = new PooledLease(this.#lender, entry)
    entry.lease = lease
    if (this.#mayExit) this.#stock.hold(entry, 'ref')
    return lease
  }

  /** Upkeep goes on while something is lent or idle, until the pool closes. */
  #stir(): void {
    if (this.#state === 'open') this.#maintenance.wake()
  }

  #refuseHopeless(): void {
    const { backoff } = this.#stock
    if (this.#handoff.idle.length > 0) return
    if (backoff.pausing && backoff.failure?.kind === 'fatal') {
      throw new CreateError(this.stats, backoff.failure.error)
    }
    const { maxWaitingClients } = this.#options
    if (this.#handoff.waiting < maxWaitingClients || this.#stock.mayOpen) return
    // Who will be served by a resource that is on its way is not in excess.
    if (this.#handoff.waiting - this.#stock.coming < maxWaitingClients) return
    throw new QueueFullError(this.stats, maxWaitingClients)
  }

  #listen(waiter: Waiter<R>, signal: AbortSignal): void {
    const abort = (): void => this.#giveUp(waiter, signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    waiter.stopListening = () => signal.removeEventListener('abort', abort)
  }

  #timedOut(waiter: Waiter<R>): void {
    const { stats } = this
    const { failure, coming } = this.#stock
    const opening = stats.creating > 0 || failure !== undefined
    const phase = opening ? 'creating' : coming > 0 ? 'validating' : 'waiting'
    const waitedMillis = performance.now() - waiter.since
    this.#giveUp(waiter, new AcquireTimeoutError(stats, waitedMillis, phase, failure))
  }

  #giveUp(waiter: Waiter<R>, reason: unknown): void {
    this.#handoff.remove(waiter)
    waiter.reject(reason)
    this.#supply()
  }

  // Taking back, and passing on.

  #takeBack(entry: Entry<R>): void {
    entry.lease = undefined
    if (entry.uses >= this.#options.maxUses) this.#end(entry, 'uses')
    else if (this.#clock.monotonic >= entry.expiresAt) this.#end(entry, 'lifetime')
    else if (entry.generation.retired) this.#end(entry, 'recycle')
    else if (this.#driver.reset !== undefined) this.#stock.reset(entry)
    else this.#offer(entry)
  }

  /** Passes a resource to the next holder, or lays it down as idle. */
  #offer(entry: Entry<R>): void {
    if (entry.generation.retired) return this.#end(entry, 'recycle')
    if (this.#shrinking && this.#exceeds()) return this.#end(entry, 'resize')
    const waiter = this.#handoff.next()
    if (waiter !== undefined) return waiter.resolve(this.#lend(entry))
    if (this.#state !== 'open') return this.#end(entry, 'close')
    if (!this.#maintenance.awake) this.#stir()
    const { wall, monotonic } = this.#clock
    entry.trustedAt = monotonic
    entry.trustedAtWall = wall
    if (entry.keptAlive) this.#handoff.idle.unshift(entry)
    else {
      entry.idleSince = monotonic
      this.#handoff.idle.push(entry)
    }
    entry.keptAlive = false
    entry.state = 'idle'
    if (this.#mayExit) this.#stock.hold(entry, 'unref')
  }

  /** Whether more exist than a lowered `max` allows. */
  #exceeds(): boolean {
    this.#shrinking = this.#stock.kept > this.#options.max
    return this.#shrinking
  }

  #validate(entry: Entry<R>, keptAlive = false): void {
    entry.keptAlive = keptAlive
    this.#handoff.idle.remove(entry)
    this.#stock.validate(entry)
  }

  #end(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    if (entry.state === 'idle') this.#handoff.idle.remove(entry)
    entry.lease = undefined
    this.#stock.destroy(entry, reason, error)
  }

  #lost(entry: Entry<R>, error: Error): void {
    // In a forked child the end of an inherited connection is no concern of ours.
    this.#watch.check()
    // A server that accepts and then hangs up is failing, too.
    if (entry.state !== 'gone' && entry.uses === 0) this.#stock.backoff.failed(error, 'transient')
    this.#endUnderHolder(entry, 'lost', error)
  }

  /** Ends a resource that may be lent: its holder finds out at the next use. */
  #endUnderHolder(entry: Entry<R>, reason: 'lost' | 'close', error?: Error): void {
    if (entry.state === 'destroying' || entry.state === 'gone') return
    if (entry.lease !== undefined) endLease(entry.lease, reason, error)
    this.#end(entry, reason, error)
  }

  // Supply: what to open, and when there is nothing left to do.

  /** Called whenever there may be something to open, or to end: it does what is due, and may be called too often. */
  #supply(): void {
    const { idle } = this.#handoff
    const stock = this.#stock
    while (this.#handoff.waiting > stock.coming) {
      const entry = this.#fifo ? idle.first : idle.last
      if (entry !== undefined) this.#validate(entry)
      else if (stock.mayOpen) stock.open()
      else break
    }
    if (this.#state !== 'open') this.#finishClosing()
    else if (this.#used && (this.#options.min > 0 || this.#warmUps.size > 0)) this.#keepMin()
  }

  /** One at a time, unless somebody waits for it. */
  #keepMin(): void {
    const stock = this.#stock
    const { min } = this.#options
    const lacking = (): number => min - stock.kept
    while (lacking() > 0 && stock.mayOpen && (this.#warmUps.size > 0 || stock.creating === 0)) {
      stock.open()
    }
    if (lacking() + stock.creating <= 0) for (const { resolve } of this.#warmUps) resolve()
  }

  #createFailed(error: unknown, kind: CreateFailure): void {
    for (const { reject } of this.#warmUps) reject(new CreateError(this.stats, error))
    if (kind === 'fatal') this.#handoff.rejectAll(() => new CreateError(this.stats, error))
  }

  async #close(deadlineMillis: number): Promise<void> {
    this.#state = 'closing'
    this.#maintenance.stop()
    for (const { reject } of this.#warmUps) reject(this.#refusal())
    let timer = startTimer(() => {
      this.#closeNow()
      // Every destroy ends by then, unless a late create comes in between: close does not wait for that one.
      timer = startTimer(() => this.#closed?.(), this.#options.destroyTimeoutMillis)
    }, deadlineMillis)
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      this.#supply()
    })
    this.#state = 'closed'
    clearTimeout(timer)
    this.#handoff.stop()
    this.#stock.backoff.reset()
    this.#telemetry.emit('close')
  }

  #closeNow(): void {
    this.#handoff.rejectAll(() => this.#refusal())
    for (const entry of this.#stock.entries()) {
      if (entry.state !== 'creating') this.#endUnderHolder(entry, 'close')
    }
    this.#supply()
  }

  #finishClosing(): void {
    if (this.#handoff.waiting > 0) return
    for (const entry of this.#handoff.idle) this.#end(entry, 'close')
    this.#stock.cancelCreates()
    if (this.#stock.size === 0) this.#closed?.()
  }

  /** Every resource belongs to another process, and so does whoever waits. */
  #processChanged(reason: ProcessChangeReason): void {
    this.#used = false
    this.#maintenance.stop()
    this.#handoff.idle.clear()
    this.#handoff.stop()
    const discarded = this.#stock.abandon()
    const stale = (): Error => new StaleResourceError(this.#options.name, 'the wait')
    this.#handoff.rejectAll(stale)
    for (const { reject } of this.#warmUps) reject(stale())
    this.#clock.read()
    this.#telemetry.emit('processChange', {
      reason,
      generation: this.#stock.generation,
      discarded,
    })
    this.#closed?.()
  }

  #addMethods(methods: object): void {
    for (const method of Object.keys(methods)) {
      if (!(method in this)) continue
      throw new TypeError(
        `Pool "${this.#options.name}": the driver's method \`${method}\` would hide the pool's own.`,
      )
    }
    Object.assign(this, methods)
  }

  #refusal(): PoolClosedError {
    return new PoolClosedError(this.stats, this.#state === 'closed' ? 'closed' : 'closing')
  }

  #leaked(entry: Entry<R>, heldMillis: number): void {
    const stack = entry.lentTo ?? ''
    entry.lentTo = undefined
    this.#telemetry.emit('leak', { generation: entry.generation.number, heldMillis, stack })
  }
}

function stackOfCaller(): string {
  return new Error('acquired here').stack ?? ''
}
