import { addMethods, checkDriver } from './check-driver.ts'
import { Clock, type Clocks, machineClocks } from './clock.ts'
import type { CreateFailure, Driver } from './driver.ts'
import { CreateError, PoolClosedError, StaleResourceError } from './errors.ts'
import { type IdentityWatch, type ProcessChangeReason, processIdentity } from './identity.ts'
import { Lending } from './lending.ts'
import type { PoolOptions } from './options.ts'
import { checkArguments, checkSize, type ParsedOptions, parseOptions } from './parse-options.ts'
import { show } from './rules.ts'
import { onAbort } from './signals.ts'
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
import { LONGEST_TIMER, startTimer } from './timers.ts'

const CLOSE_DEADLINE_MILLIS = 30_000

/**
 * Returns a pool of what `driver` opens, with the driver's methods on it. If `min` is above 0, it begins to open them.
 * @throws {TypeError} for a wrong driver, a wrong or unknown option, or a driver's method that the pool already has.
 */
export function createForkSafePool<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  options: PoolOptions<C>,
): ForkSafePool<R> & M {
  checkDriver(driver)
  return new Pool<R>(driver, options) as unknown as ForkSafePool<R> & M
}

/** Looks for a change of process. Known to core alone. */
export let checkProcess: <R extends object>(pool: Pool<R>) => void

/**
 * Ends what `choose` picks of the idle, which it is given with the longest idle first; returns how many. Known to core alone.
 */
export let endIdle: <R extends object>(
  pool: Pool<R>,
  reason: DestroyReason,
  choose: (idle: readonly R[]) => readonly R[],
) => number

/** What each method promises is said at `ForkSafePool`. */
export class Pool<R extends object> implements ForkSafePool<R> {
  static {
    checkProcess = (pool) => pool.#watch.check()
    endIdle = (pool, reason, choose) => {
      pool.#watch.check()
      const idle = pool.#lending.idle.members()
      const chosen = new Set<unknown>(choose(idle.map(({ resource }) => resource as never)))
      for (const entry of idle) {
        // The end of one may have had another lent.
        if (entry.state === 'idle' && chosen.has(entry.resource)) pool.#lending.end(entry, reason)
      }
      return chosen.size
    }
  }

  readonly #options: ParsedOptions
  readonly #telemetry: Telemetry
  readonly #watch: IdentityWatch
  readonly #stock: Stock<R>
  readonly #lending: Lending<R>
  readonly #warmUps = new Set<{ resolve: () => void; reject: (error: unknown) => void }>()
  /** A child that never uses its copy of the pool opens nothing for it, whatever `min` says. */
  #used = true
  /** What was let go of, until that is told. */
  #discarded = 0
  #state: 'open' | 'closing' | 'closed' = 'open'
  #closing: Promise<void> | undefined
  #closed: (() => void) | undefined

  constructor(
    driver: Driver<R, unknown, object>,
    options: object,
    identity = processIdentity,
    clocks: Clocks = machineClocks,
  ) {
    const parsed = parseOptions(driver.name, options)
    const { connection } = options as { connection?: unknown }
    const checkProcess = (): void => this.#watch.check()
    this.#options = parsed
    this.#telemetry = new Telemetry(parsed.name)
    const clock = new Clock(clocks, (back) => this.#lending.leapt(back))
    this.#watch = identity.watch(parsed.forkDetection, {
      disown: () => this.#disown(),
      inUse: () => this.#used,
      tell: (reason) => {
        this.#tellOfChange(reason, this.#discarded)
        this.#discarded = 0
      },
    })
    this.#stock = new Stock(driver, connection, parsed, this.#telemetry, clock, {
      checkProcess,
      ready: (entry) => this.#lending.offer(entry),
      failed: (error, kind) => this.#createFailed(error, kind),
      tellOne: (error) => {
        const waiter = this.#lending.queue.next()
        waiter?.reject(new CreateError(this.stats, error))
        return waiter !== undefined
      },
      lost: (entry, error) => this.#lending.lost(entry, error),
      changed: () => this.#supply(),
    })
    this.#lending = new Lending(driver, parsed, clock, this.#stock, {
      isOpen: () => this.#state === 'open',
      stats: () => this.stats,
      checkProcess,
      refusal: () => this.#refusal(),
      supply: () => {
        this.#used = true
        this.#supply()
      },
      changed: () => this.#supply(),
      leaked: ({ generation: { number } }, { stack }, heldMillis) =>
        this.#telemetry.emit('leak', { generation: number, heldMillis, stack }),
      thawed: () => this.#tellOfChange('thaw', 0),
    })
    try {
      addMethods(this, parsed.name, driver.name, driver.methods?.(this))
    } catch (error) {
      // The driver may have used the pool already, and nobody else will get hold of it.
      void this.close({ deadlineMillis: 0 })
      throw error
    }
    this.#supply()
  }

  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    this.#watch.check()
    if (!this.#telemetry.acquireIsWatched) return this.#lending.acquire(options)
    return this.#telemetry.acquiring(() => this.#lending.acquire(options))
  }

  async use<T>(
    work: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    if (typeof work !== 'function') {
      throw new TypeError(
        `Pool "${this.#options.name}": expected \`use\` to be given a function, got ${show(work)}.`,
      )
    }
    const lease = await this.acquire(options)
    try {
      // When the lease was on its way already.
      options?.signal?.throwIfAborted()
      return await work(lease.resource, lease)
    } finally {
      lease[Symbol.dispose]()
    }
  }

  async warmUp(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkArguments(this.#options.name, 'warmUp', options)
    const { signal } = options
    signal?.throwIfAborted()
    this.#watch.check()
    if (this.#state !== 'open') throw this.#refusal()
    this.#used = true
    let warmUp!: { resolve: () => void; reject: (error: unknown) => void }
    const opened = new Promise<void>((resolve, reject) => {
      warmUp = { resolve, reject }
    })
    this.#warmUps.add(warmUp)
    const stopListening = signal && onAbort(signal, () => warmUp.reject(signal.reason))
    // Who waits holds the process open, also in a pause between two tries.
    const hold = setInterval(() => undefined, LONGEST_TIMER)
    this.#supply()
    try {
      await opened
    } finally {
      this.#warmUps.delete(warmUp)
      clearInterval(hold)
      stopListening?.()
    }
  }

  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void {
    const { name } = this.#options
    checkArguments(name, 'resize', size)
    this.#watch.check()
    const next = { min: size.min ?? this.#options.min, max: size.max ?? this.#options.max }
    checkSize(name, next)
    Object.assign(this.#options, next)
    this.#lending.resized()
    this.#supply()
  }

  recycle(): void {
    this.#watch.check()
    if (this.#state === 'closed') return
    this.#stock.recycle()
    this.#lending.endIdle('recycle')
    this.#supply()
  }

  async close(options: CloseOptions = {}): Promise<void> {
    this.#watch.check()
    if (this.#closing === undefined) {
      checkArguments(this.#options.name, 'close', options)
      let follow!: (closed: Promise<void>) => void
      // Set before anything is closed: a hook may call `close` again.
      this.#closing = new Promise((resolve) => {
        follow = resolve
      })
      follow(this.#close(options))
    }
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get stats(): PoolStats {
    const { name, min, max } = this.#options
    const stock = this.#stock
    const idle = this.#lending.idle.length
    const stats = {
      name,
      generation: stock.generation,
      min,
      max,
      size: stock.size,
      idle,
      borrowed: stock.size - stock.inTransit - idle,
      waiting: this.#lending.queue.waiting,
      creating: stock.creating,
      destroying: stock.destroying,
    }
    return Object.defineProperty(stats, 'identity', { value: this.#watch.sourceName })
  }

  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.listen('on', event, listener)
    return this
  }

  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.listen('once', event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#telemetry.listen('off', event, listener)
    return this
  }

  /** Called whenever there may be something to open, or to end: it does what is due, and may be called too often. */
  #supply(): void {
    const lending = this.#lending
    const stock = this.#stock
    while (lending.queue.waiting > stock.coming) {
      if (lending.testNext()) continue
      if (!stock.mayOpen) break
      stock.open()
    }
    if (this.#state !== 'open') this.#finishClosing()
    else if (this.#used && (this.#options.eager || this.#warmUps.size > 0)) this.#keepMin()
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
    if (kind !== 'fatal') return
    const { stats } = this
    this.#lending.queue.rejectAll(() => new CreateError(stats, error))
  }

  async #close({ deadlineMillis = CLOSE_DEADLINE_MILLIS }: CloseOptions): Promise<void> {
    this.#state = 'closing'
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
    timer.clear()
    this.#lending.stop()
    this.#stock.backoff.reset()
    this.#telemetry.emit('close')
  }

  #closeNow(): void {
    const { stats } = this
    this.#lending.queue.rejectAll(() => new PoolClosedError(stats, 'closing'))
    for (const entry of this.#stock.entries()) {
      if (entry.state !== 'creating') this.#lending.endUnderHolder(entry, 'close')
    }
    this.#supply()
  }

  #finishClosing(): void {
    const { waiting, rejecting } = this.#lending.queue
    if (waiting + rejecting > 0) return
    this.#lending.endIdle('close')
    this.#stock.cancelCreates()
    if (this.#stock.size === 0) this.#closed?.()
  }

  /** Every resource belongs to another process, and so does every waiting caller. Returns what discards the resources. */
  #disown(): () => void {
    this.#used = false
    const stale = (): Error => new StaleResourceError(this.#options.name, 'the wait')
    const { resources, discard } = this.#stock.disown()
    this.#discarded += resources
    this.#lending.disown(stale)
    for (const { reject } of this.#warmUps) reject(stale())
    this.#closed?.()
    return discard
  }

  #tellOfChange(reason: ProcessChangeReason, discarded: number): void {
    this.#telemetry.emit('processChange', {
      reason,
      incarnation: this.#watch.incarnation,
      generation: this.#stock.generation,
      discarded,
    })
  }

  #refusal(): PoolClosedError {
    return new PoolClosedError(this.stats, this.#state as 'closing' | 'closed')
  }
}
