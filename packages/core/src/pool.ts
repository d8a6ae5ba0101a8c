import type { Driver } from './api/driver.ts'
import type { PoolOptions } from './api/options.ts'
import type {
  AcquireOptions,
  CloseOptions,
  ForkSafePool,
  Lease,
  PoolEvents,
  PoolListener,
  ShareOptions,
} from './api/pool.ts'
import type { PoolStats } from './api/stats.ts'
import { addMethods, checkDriver } from './context/check-driver.ts'
import { Context } from './context/context.ts'
import type { LivePool } from './context/live-pools.ts'
import { checkArguments, checkSize, checkWork } from './context/parse-options.ts'
import { processIdentity } from './identity/identity.ts'
import { Lending } from './lend/lending.ts'
import type { Stock } from './stock/stock.ts'
import { type Clocks, machineClocks } from './tools/clock.ts'
import { checkValue, limit } from './tools/rules.ts'

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

/** `ForkSafePool` documents the methods. */
export class Pool<R extends object> implements ForkSafePool<R> {
  /** Returns the inner parts of a pool, for a drop-in that needs more than the public methods. */
  static partsOf<R extends object>(pool: Pool<R>): { context: Context<R>; stock: Stock<R> } {
    return { context: pool.#context, stock: pool.#lending.stock }
  }

  readonly #context: Context<R>
  readonly #lending: Lending<R>
  #closing: Promise<void> | undefined
  /** The list of the process's pools refers to it weakly. */
  readonly #live: LivePool

  constructor(
    driver: Driver<R, unknown, object>,
    options: object,
    identity = processIdentity,
    clocks: Clocks = machineClocks,
  ) {
    this.#context = new Context(driver, options, clocks)
    this.#lending = new Lending(this.#context)
    this.#context.watch = identity.watch(this.#context.options.forkDetection, this.#lending)
    try {
      addMethods(this, this.#context.options.name, driver.name, driver.methods?.(this))
    } catch (error) {
      // The driver may have used the pool, which no caller will ever see.
      void this.close({ deadlineMillis: 0 })
      throw error
    }
    this.#live = this.#newView()
    this.#context.join(this.#live)
    this.#lending.changed()
  }

  #newView(): LivePool {
    const { id, driver, options } = this.#context
    const stats = (): PoolStats => {
      this.#context.checkProcess()
      return this.stats
    }
    return {
      id,
      name: options.name,
      driver: driver.name,
      get stats() {
        return stats()
      },
    }
  }

  acquire(options?: AcquireOptions): Promise<Lease<R>> {
    this.#context.checkProcess()
    const { telemetry } = this.#context
    if (!telemetry.acquireIsWatched) return this.#lending.acquire(options)
    return telemetry.acquiring(
      () => this.#lending.acquire(options),
      () => this.#lending.arrivals,
    )
  }

  async use<T>(
    work: (resource: R, lease: Lease<R>) => T | PromiseLike<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    checkWork(this.#context.options.name, 'use', work)
    const lease = await this.acquire(options)
    try {
      // The signal may have aborted after the lease was given.
      options?.signal?.throwIfAborted()
      return await work(lease.resource, lease)
    } finally {
      lease[Symbol.dispose]()
    }
  }

  share<T>(work: (resource: R) => PromiseLike<T>, options?: ShareOptions): Promise<T> {
    this.#context.checkProcess()
    const { telemetry } = this.#context
    const share = (work: (resource: R) => unknown): Promise<T> =>
      this.#lending.share(work, options) as Promise<T>
    if (!telemetry.acquireIsWatched || typeof work !== 'function') return share(work)
    return telemetry.sharing(
      () => this.#lending.stock.generation,
      work,
      share,
      () => this.#lending.arrivals,
    )
  }

  async warmUp(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkArguments(this.#context.options.name, 'warmUp', options)
    options.signal?.throwIfAborted()
    this.#context.checkProcess()
    this.#lending.refuseIfClosed()
    await this.#lending.supply.warmUp(options.signal)
  }

  resize(size: { readonly min?: number | undefined; readonly max?: number | undefined }): void {
    const { options } = this.#context
    checkArguments(options.name, 'resize', size)
    this.#context.checkProcess()
    const next = { min: size.min ?? options.min, max: size.max ?? options.max }
    checkSize(options.name, next)
    Object.assign(options, next)
    this.#lending.resized()
  }

  trim(count = Infinity): number {
    checkValue(`Pool "${this.#context.options.name}", \`trim\``, 'the count', limit(0), count)
    this.#context.checkProcess()
    return this.#lending.trim(count)
  }

  recycle(): void {
    this.#context.checkProcess()
    if (this.#context.state === 'closed') return
    this.#lending.stock.recycle()
    this.#lending.changed()
  }

  async close(options: CloseOptions = {}): Promise<void> {
    this.#context.checkProcess()
    if (this.#closing === undefined) {
      checkArguments(this.#context.options.name, 'close', options)
      let follow!: (closed: Promise<void>) => void
      // Set before anything is closed: a hook may call `close` again.
      this.#closing = new Promise((resolve) => {
        follow = resolve
      })
      follow(this.#lending.close(options.deadlineMillis ?? CLOSE_DEADLINE_MILLIS))
    }
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get stats(): PoolStats {
    return this.#lending.stats
  }

  on<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#context.telemetry.listen('on', event, listener)
    return this
  }

  once<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#context.telemetry.listen('once', event, listener)
    return this
  }

  off<E extends keyof PoolEvents>(event: E, listener: PoolListener<E>): this {
    this.#context.telemetry.listen('off', event, listener)
    return this
  }
}
