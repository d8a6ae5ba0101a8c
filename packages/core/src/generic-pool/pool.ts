import { EventEmitter } from 'node:events'
import { kindOf } from '../tools/rules.ts'
import { thrownAs } from '../tools/thrown.ts'
import type { DestroyReason } from '../api/pool.ts'
import { Pool as CorePool } from '../pool.ts'
import type { PoolEvents } from '../api/pool.ts'
import type { PoolStats } from '../api/stats.ts'
import { checkFactory, driverOf, NotValidError } from './driver.ts'
import { DefaultEvictor, EvictionRuns } from './evictor.ts'
import { Loans } from './loans.ts'
import { inWordsOfGenericPool, says } from './messages.ts'
import { Operations } from './operations.ts'
import { type Config, configOf, coreOptionsOf, priorityOf } from './options.ts'
import type { Member } from './member.ts'
import type { Evictor, Factory, Options } from './surface.ts'

/**
 * Creates a pool with generic-pool's interface, on top of a fork-safe pool. `factory` opens and closes its resources.
 * @throws {TypeError} for a wrong factory, or an option with which no operation could succeed.
 */
export function createPool<T>(factory: Factory<T>, options?: Options | null): Pool<T> {
  return new Pool(DefaultEvictor, undefined, undefined, factory, options)
}

/** A pool with generic-pool's interface, on top of a fork-safe pool. Create it with `createPool`. */
export class Pool<T> extends EventEmitter {
  // Not `#private`, so that a pool works behind a `Proxy`.
  private readonly _config: Config
  private readonly _core: CorePool<Member<T>>
  private readonly _runs: EvictionRuns<T>
  private readonly _creates = new Operations()
  private readonly _tests = new Operations()
  private readonly _destroys = new Operations()
  /** All open resources. */
  private readonly _open = new Set<Member<T>>()
  private readonly _loans = new Loans<T>()
  private readonly _resets: boolean
  private _draining = false
  private _start: (() => void) | undefined
  private readonly _started: Promise<void>

  /**
   * Takes generic-pool's arguments, except that `Deque` and `PriorityQueue` must be `undefined`: the pool has its own queue.
   * @throws {TypeError} like `createPool`, and for a queue.
   */
  constructor(
    Evictor: new () => Evictor,
    Deque: undefined,
    PriorityQueue: undefined,
    factory: Factory<T>,
    options?: Options | null,
  ) {
    super()
    const config = configOf(options ?? {})
    for (const queue of [Deque, PriorityQueue]) {
      if (queue === undefined) continue
      throw new TypeError(
        `Pool "${config.name}": expected undefined in the place of Deque and of PriorityQueue, got ${kindOf(queue)}: the queue is the pool's own.`,
      )
    }
    checkFactory(factory, config)
    const driver = driverOf(factory, config, {
      creates: this._creates,
      tests: this._tests,
      destroys: this._destroys,
      checkProcess: () => this._checkProcess(),
      isAwaited: () => this._core.stats.waiting > 0,
      isLastHope: () => this._draining && this._core.stats.borrowed === 0,
      opened: (member) => {
        this._open.add(member)
        this._runs.start()
      },
      gone: (member) => this._gone(member),
    })
    this._config = config
    this._resets = factory.reset !== undefined
    this._runs = new EvictionRuns(new Evictor(), config, () => {
      this._endIdle('idle', (idle) => this._runs.choose(idle))
    })
    this._core = new CorePool(driver, coreOptionsOf(options ?? {}, config))
    this._tell(factory.discard !== undefined)
    this._started = new Promise((resolve) => {
      this._start = resolve
    })
    if (config.autostart) this.start()
  }

  /** Opens `min` resources, and keeps that many open. Without `autostart`, the first `acquire` calls this. */
  start(): void {
    if (this._draining || this._start === undefined) return
    this._start()
    this._start = undefined
    if (this.min <= 0) return
    this._checkProcess()
    this._core.resize({ min: this.min })
    // `warmUp` opens all of them at once. A failure is reported by an event and retried.
    this._core.warmUp().catch(() => undefined)
  }

  /**
   * Borrows a resource until it is passed to `release` or `destroy`. `priority` is a whole number below `priorityRange`: 0 goes
   * first, and values out of range go last. Default 0.
   *
   * Rejects if the time is up, the queue is full or the pool is draining. Rejects with `StaleResourceError` if the process
   * changed during the wait.
   */
  acquire(priority?: number): Promise<T> {
    return this._promise(this._lend(priority, ({ obj }) => obj))
  }

  /** Releases a resource. Rejects if it is not borrowed. Does nothing if it was borrowed before a fork, in the parent. */
  release(resource: T): Promise<void> {
    return this._promise(this._takeBack(resource, 'release'))
  }

  /** Destroys a borrowed or idle resource. Otherwise behaves like `release`. */
  destroy(resource: T): Promise<void> {
    return this._promise(this._takeBack(resource, 'destroy'))
  }

  /**
   * Borrows a resource while `work` runs, then releases it. If `work` fails, the resource is destroyed, unless the factory has
   * `reset`. Rejects like `acquire`, or with the error of `work`.
   */
  use<U>(work: (resource: T) => U | Promise<U>, priority?: number): Promise<U> {
    return this._promise(this._use(work, priority))
  }

  /** Tells whether this process has borrowed the resource. */
  isBorrowedResource(resource: T): boolean {
    this._checkProcess()
    return this._loans.of(resource) !== undefined
  }

  /**
   * Rejects new callers, and waits until all waiting callers are served and all resources are released. From the moment at which
   * no resource is borrowed, a failed create rejects the waiting callers instead of being retried.
   */
  drain(): Promise<void> {
    return this._promise(this._drain())
  }

  /**
   * Destroys all idle resources. First waits for calls of `create`, `validate` and `reset` that are in progress. Resolves when
   * the resources are destroyed.
   */
  clear(): Promise<void> {
    return this._promise(this._clear())
  }

  /** Resolves when `min` resources are open. Rejects if one cannot be opened. */
  ready(): Promise<void> {
    return this._promise(this._ready())
  }

  /** The number of resources that may still be opened. Those being destroyed do not count as open. */
  get spareResourceCapacity(): number {
    return this.max - this.size
  }

  /** The number of resources that are open or being opened. */
  get size(): number {
    const { size, destroying } = this._stats
    return size - destroying
  }

  /** The number of idle resources. */
  get available(): number {
    return this._stats.idle
  }

  /** The number of borrowed resources. */
  get borrowed(): number {
    return this._stats.borrowed
  }

  /** The number of callers in the queue, including those for whom a resource is being opened. */
  get pending(): number {
    return this._stats.waiting
  }

  /** The `max` option. */
  get max(): number {
    return this._config.max
  }

  /** The `min` option, limited to `max`. */
  get min(): number {
    return this._config.min
  }

  private get _stats(): PoolStats {
    this._checkProcess()
    return this._core.stats
  }

  private _checkProcess(): void {
    CorePool.partsOf(this._core).context.checkProcess()
  }

  /** Ends the idle resources that `choose` returns. It receives them in order, longest idle first. Returns their number. */
  private _endIdle(
    reason: DestroyReason,
    choose: (idle: readonly Member<T>[]) => readonly Member<T>[],
  ): number {
    this._checkProcess()
    const { stock } = CorePool.partsOf(this._core)
    const idle = stock.idle.members()
    const chosen = new Set<unknown>(choose(idle.map(({ resource }) => resource as Member<T>)))
    for (const entry of idle) {
      // The end of one resource may cause another to be lent.
      if (entry.state === 'idle' && chosen.has(entry.resource)) stock.end(entry, reason)
    }
    return chosen.size
  }

  private async _lend<G>(given: number | undefined, give: (member: Member<T>) => G): Promise<G> {
    this.start()
    if (this._draining) throw new Error(says.draining)
    const priority = priorityOf(given, this._config)
    this._loans.arrive()
    try {
      const lease = await this._core.acquire(priority === 0 ? undefined : { priority })
      return give(this._loans.lend(lease))
    } catch (error) {
      this._loans.leave()
      throw inWordsOfGenericPool(error)
    }
  }

  private async _takeBack(resource: T, how: 'release' | 'destroy'): Promise<void> {
    const member = this._loans.of(resource)
    if (member !== undefined) return this._loans.end(member, how)
    if (this._loans.isInherited(resource)) return
    const isIt = ({ obj }: Member<T>): boolean => obj === resource
    const ended =
      how === 'destroy' ? this._endIdle('broken', (idle) => idle.filter(isIt).slice(0, 1)) : 0
    if (ended === 0) throw new Error(says.notLent)
  }

  private async _use<U>(
    work: (resource: T) => U | Promise<U>,
    priority: number | undefined,
  ): Promise<U> {
    // oxlint-disable-next-line typescript/unbound-method -- it is compared
    const isOverridden = this.acquire !== ownMethods.acquire
    const lent = isOverridden ? await this.acquire(priority) : undefined
    const member = isOverridden
      ? this._loans.of(lent as T)
      : await this._lend(priority, (member) => member)
    const resource = member === undefined ? (lent as T) : member.obj
    const lease = member?.lease
    let how: 'release' | 'destroy' = 'release'
    try {
      return await work(resource)
    } catch (error) {
      if (!this._resets) how = 'destroy'
      throw error
    } finally {
      // `work` may have released the resource itself; then another caller may hold it now.
      if (member === undefined || member.lease === lease) this._endUse(resource, member, how)
    }
  }

  /** Calls a `release` or `destroy` that a subclass or a tracer has replaced, as generic-pool does: without waiting for it. */
  private _endUse(resource: T, member: Member<T> | undefined, how: 'release' | 'destroy'): void {
    if (member !== undefined && this[how] === ownMethods[how]) this._loans.end(member, how)
    else void this[how](resource)
  }

  private async _drain(): Promise<void> {
    this._checkProcess()
    this._draining = true
    // Unblocks callers of `ready` that wait for the start.
    this._start?.()
    this._core.resize({ min: 0 })
    await this._loans.none()
    this._runs.stop()
  }

  private async _clear(): Promise<void> {
    await this._untilIdleOrLent()
    this._endIdle('recycle', (idle) => idle)
    await this._destroys.settled()
  }

  /**
   * Waits for calls of `create`, `validate` and `reset`. A draining pool also waits for all calls that begin meanwhile. A pool in
   * use waits only for the tests that one failed test causes, since it may never be without a call in progress.
   */
  private async _untilIdleOrLent(): Promise<void> {
    const isBusy = (): boolean => this._stats.creating > 0 || !this._tests.isIdle
    for (let round = 0; isBusy() && (round < 2 || this._draining); round++) {
      await Promise.all([this._creates.settled(), this._tests.settled()])
      // In the next turn of the event loop, the resources are idle, borrowed or being destroyed.
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  private async _ready(): Promise<void> {
    if (this.available >= this.min) return
    await this._started
    if (this._draining) throw new Error(says.draining)
    try {
      await this._core.warmUp()
    } catch (error) {
      throw inWordsOfGenericPool(error)
    }
  }

  private _gone(member: Member<T>): void {
    this._open.delete(member)
    if (this._open.size === 0) this._runs.stop()
    if (member.isDiscarded) this._loans.letGo(member)
  }

  /** Forwards core's events. */
  private _tell(canDiscard: boolean): void {
    this._core.on('createError', ({ error }) => this.emit('factoryCreateError', thrownAs(error)))
    this._core.on('hookError', ({ hook, error }) => this._hookFailed(hook, thrownAs(error)))
    this._core.on('leak', (leak) => this.emit('leak', leak))
    this._core.on('processChange', (change) => {
      this.emit('processChange', change)
      if (change.discarded === 0 || canDiscard) return
      process.emitWarning(
        `Pool "${this._core.stats.name}": the process was forked, and the factory has no \`discard\`. The inherited resources ` +
          `(${change.discarded}) stay open in this process, which may read data that was meant for its parent.`,
        { code: 'FORKSAFE_NO_DISCARD' },
      )
    })
  }

  private _hookFailed(hook: PoolEvents['hookError'][0]['hook'], error: unknown): void {
    if (!(error instanceof NotValidError)) {
      this.emit(`factory${hook.charAt(0).toUpperCase()}${hook.slice(1)}Error`, error)
    } else if ('cause' in error) this.emit('factoryValidateError', error.cause)
  }

  /** Wraps `outcome` in the promise class that the `Promise` option names. */
  private _promise<U>(outcome: Promise<U>): Promise<U> {
    const { Promise } = this._config
    if (Promise === globalThis.Promise) return outcome
    return new Promise<U>((resolve, reject) => void outcome.then(resolve, reject)) as Promise<U>
  }
}

// oxlint-disable-next-line typescript/unbound-method -- they are compared
const ownMethods = Pool.prototype as Pool<unknown>
