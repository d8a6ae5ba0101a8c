import { EventEmitter } from 'node:events'
import { show } from '../tools/rules.ts'
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
 * Returns a pool of what `factory` creates: generic-pool's, on top of a fork-safe one.
 * @throws {TypeError} for a wrong factory, or an option with which nothing could succeed.
 */
export function createPool<T>(factory: Factory<T>, options?: Options | null): Pool<T> {
  return new Pool(DefaultEvictor, undefined, undefined, factory, options)
}

/** generic-pool's pool, on top of a fork-safe one. `createPool` makes them. */
export class Pool<T> extends EventEmitter {
  // Not `#private`: a pool may stand behind a proxy.
  private readonly _config: Config
  private readonly _core: CorePool<Member<T>>
  private readonly _runs: EvictionRuns<T>
  private readonly _creates = new Operations()
  private readonly _tests = new Operations()
  private readonly _destroys = new Operations()
  /** All that are open. */
  private readonly _open = new Set<Member<T>>()
  private readonly _loans = new Loans<T>()
  private readonly _resets: boolean
  private _draining = false
  private _start: (() => void) | undefined
  private readonly _started: Promise<void>

  /**
   * As in generic-pool, except that `Deque` and `PriorityQueue` must be `undefined`: the queue is the pool's own.
   * @throws {TypeError} as `createPool` does, and for a queue.
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
        `Pool "${config.name}": expected undefined in the place of Deque and of PriorityQueue, got ${show(queue)}: the queue is the pool's own.`,
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

  /** Opens `min` resources, and keeps that many open. Without `autostart`, the first `acquire` does so. */
  start(): void {
    if (this._draining || this._start === undefined) return
    this._start()
    this._start = undefined
    if (this.min <= 0) return
    this._checkProcess()
    this._core.resize({ min: this.min })
    // All at once. Why one could not be opened is told by an event, and it is tried again.
    this._core.warmUp().catch(() => undefined)
  }

  /**
   * Borrows a resource until it is passed to `release` or `destroy`. `priority` is the caller's place in the queue: a whole
   * number below `priorityRange`; 0 goes first, and what is out of range goes last. Default 0.
   *
   * Rejects when the time is up, the queue is full or the pool drains, and with `StaleResourceError` when the process changed
   * during the wait.
   */
  acquire(priority?: number): Promise<T> {
    return this._promise(this._lend(priority, ({ obj }) => obj))
  }

  /** Gives a resource back. Rejects if it is not lent; does nothing if it is lent in the process that this one was copied from. */
  release(resource: T): Promise<void> {
    return this._promise(this._takeBack(resource, 'release'))
  }

  /** Ends a resource, lent or idle. Otherwise, rejects or does nothing as `release` does. */
  destroy(resource: T): Promise<void> {
    return this._promise(this._takeBack(resource, 'destroy'))
  }

  /**
   * Borrows a resource while `work` runs, then releases it. After an error of `work` the resource is destroyed, unless the
   * factory has `reset`. Rejects as `acquire` does, or with what `work` throws.
   */
  use<U>(work: (resource: T) => U | Promise<U>, priority?: number): Promise<U> {
    return this._promise(this._use(work, priority))
  }

  /** Whether a resource is lent, by this process. */
  isBorrowedResource(resource: T): boolean {
    this._checkProcess()
    return this._loans.of(resource) !== undefined
  }

  /**
   * Refuses new callers, and waits until the others are served and nothing is lent. Once nothing is lent, a create that fails
   * rejects those who wait, and is not tried again.
   */
  drain(): Promise<void> {
    return this._promise(this._drain())
  }

  /**
   * Waits for creates, and for `validate` and `reset`, that are in progress, then destroys what is idle, and waits until that
   * has ended.
   */
  clear(): Promise<void> {
    return this._promise(this._clear())
  }

  /** Waits until `min` resources are open. If one cannot be opened, rejects with the reason. */
  ready(): Promise<void> {
    return this._promise(this._ready())
  }

  /** How many more resources may be opened, not counting those being destroyed. */
  get spareResourceCapacity(): number {
    return this.max - this.size
  }

  /** All that are open or being opened. */
  get size(): number {
    const { size, destroying } = this._stats
    return size - destroying
  }

  /** Those that are idle. */
  get available(): number {
    return this._stats.idle
  }

  /** Those that are lent. */
  get borrowed(): number {
    return this._stats.borrowed
  }

  /** Callers in the queue, including those for whom a resource is being opened. */
  get pending(): number {
    return this._stats.waiting
  }

  /** The option `max`. */
  get max(): number {
    return this._config.max
  }

  /** The option `min`, which is at most `max`. */
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

  /** Ends the idle resources that `choose` picks, of which it is given those idle for longest first. Returns how many. */
  private _endIdle(
    reason: DestroyReason,
    choose: (idle: readonly Member<T>[]) => readonly Member<T>[],
  ): number {
    this._checkProcess()
    const { stock } = CorePool.partsOf(this._core)
    const idle = stock.idle.members()
    const chosen = new Set<unknown>(choose(idle.map(({ resource }) => resource as Member<T>)))
    for (const entry of idle) {
      // The end of one may have had another lent.
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
    const member = await this._lend(priority, (member) => member)
    const { lease } = member
    let how: 'release' | 'destroy' = 'release'
    try {
      return await work(member.obj)
    } catch (error) {
      if (!this._resets) how = 'destroy'
      throw error
    } finally {
      // The work may have given it back by hand: then it may be somebody else's by now.
      if (member.lease === lease) this._loans.end(member, how)
    }
  }

  private async _drain(): Promise<void> {
    this._checkProcess()
    this._draining = true
    // For callers of `ready` that wait for the start.
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
   * Waits for creates, `validate` and `reset`. Of those that begin meanwhile, a pool that is in use waits only for the tests
   * that one failed test causes; a pool that drains waits for all.
   */
  private async _untilIdleOrLent(): Promise<void> {
    const isBusy = (): boolean => this._stats.creating > 0 || !this._tests.isIdle
    for (let round = 0; isBusy() && (round < 2 || this._draining); round++) {
      await Promise.all([this._creates.settled(), this._tests.settled()])
      // By the next turn of the event loop, the resources are idle, lent or being destroyed.
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

  /** Passes on what core tells. */
  private _tell(canDiscard: boolean): void {
    this._core.on('createError', ({ error }) => this.emit('factoryCreateError', error))
    this._core.on('hookError', ({ hook, error }) => this._hookFailed(hook, error))
    this._core.on('processChange', (change) => {
      this.emit('processChange', change)
      if (change.discarded === 0 || canDiscard) return
      process.emitWarning(
        `Pool "${this._core.stats.name}": the factory has no \`discard\` to let go of what belongs to the process that ` +
          `this one was copied from (${change.discarded} of its resources). What they hold open stays open, and is read, here too.`,
        { code: 'FORKSAFE_NO_DISCARD' },
      )
    })
  }

  private _hookFailed(hook: PoolEvents['hookError'][0]['hook'], error: unknown): void {
    if (!(error instanceof NotValidError)) {
      this.emit(`factory${hook.charAt(0).toUpperCase()}${hook.slice(1)}Error`, error)
    } else if ('cause' in error) this.emit('factoryValidateError', error.cause)
  }

  /** In the promise that the user asked for by the option `Promise`, in place of Node's. */
  private _promise<U>(outcome: Promise<U>): Promise<U> {
    const { Promise } = this._config
    if (Promise === globalThis.Promise) return outcome
    return new Promise<U>((resolve, reject) => void outcome.then(resolve, reject)) as Promise<U>
  }
}
