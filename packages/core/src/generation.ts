import type { AsyncResource } from 'node:async_hooks'
import genericPool, { type Pool } from 'generic-pool'
import type { Driver } from './driver.ts'
import { Entry } from './entry.ts'
import { StaleResourceError } from './errors.ts'
import { endLease } from './lease.ts'
import { type ParsedOptions, show } from './options.ts'
import type { DestroyReason, PoolEvents } from './surface.ts'
import type { Telemetry } from './telemetry.ts'
import { startTimer } from './timers.ts'

/** What a generation needs of its pool. */
export interface GenerationHost<R extends object> {
  readonly driver: Driver<R, unknown, object>
  readonly options: ParsedOptions
  readonly connection: unknown
  readonly telemetry: Telemetry
  /** The pool's own async context: a hook must not see that of whoever happened to need a resource. */
  readonly context: AsyncResource
  /** How many more resources may exist. */
  room(): number
  /** Looks for a change of process; where there is one, every generation is abandoned when this returns. */
  checkProcess(): void
  opened(entry: Entry<R>, durationMillis: number): void
  notOpened(entry: Entry<R>, error: unknown, durationMillis: number): void
  /** A resource died by itself. */
  lost(entry: Entry<R>, error: Error): void
  /** An entry has left its generation: there is room for another. */
  ended(entry: Entry<R>): void
}

type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }
type Hook = PoolEvents['hookError'][0]['hook']

/**
 * Every resource that was opened under one identity of the process. generic-pool keeps the books: it creates, counts
 * and destroys. It is never asked to lend: each entry is on loan to the pool from its first moment to its last.
 */
export class Generation<R extends object> {
  readonly number: number
  /** Its resources end as they come back. */
  retired = false
  /** It belongs to another process. */
  abandoned = false
  readonly entries = new Set<Entry<R>>()
  creating = 0
  validating = 0
  resetting = 0
  destroying = 0
  readonly #host: GenerationHost<R>
  readonly #pool: Pool<Entry<R>>

  constructor(host: GenerationHost<R>, number: number) {
    this.#host = host
    this.number = number
    this.#pool = genericPool.createPool(
      {
        // It never rejects: generic-pool would try again at once, and for ever.
        create: () => this.#create(),
        destroy: (entry) => this.#destroy(entry),
      },
      { autostart: false },
    )
    // The pool's room, and not a `max` of generic-pool's own: it changes, and what is being destroyed takes up room.
    Object.defineProperty(this.#pool, 'spareResourceCapacity', { get: () => host.room() })
  }

  /** Opens a resource, where there is room for one; the host's `opened` or `notOpened` follows. */
  open(): void {
    const started = performance.now()
    void this.#pool.acquire().then((entry) => {
      if (entry.failure !== undefined) return this.#pool.destroy(entry)
      if (!this.abandoned) this.#opened(entry, performance.now() - started)
      return undefined
    })
  }

  /** Whether the resource of an entry still works. Never rejects. */
  async validate(entry: Entry<R>): Promise<boolean> {
    const { driver, options } = this.#host
    entry.state = 'validating'
    this.validating++
    const outcome = await this.#bounded(entry, 'validate', options.validateTimeoutMillis, () =>
      driver.validate?.(entry.resource as R),
    )
    if (entry.state === 'validating') this.validating--
    return outcome.ok && outcome.value !== false
  }

  /** Makes a resource ready for its next holder, at once where the driver can. Never throws or rejects. */
  reset(entry: Entry<R>): boolean | Promise<boolean> {
    const { driver, options } = this.#host
    entry.state = 'resetting'
    let result: void | Promise<void>
    try {
      result = this.#call(() => driver.reset?.(entry.resource as R))
    } catch (error) {
      this.#hookFailed('reset', error)
      return false
    }
    if (result === undefined) return true
    this.resetting++
    const pending = result
    return this.#bounded(entry, 'reset', options.validateTimeoutMillis, () => pending).then(
      ({ ok }) => {
        if (entry.state === 'resetting') this.resetting--
        return ok
      },
    )
  }

  /** Closes a resource politely; the host's `ended` follows, however the driver fares. */
  destroy(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    if (entry.state === 'validating') this.validating--
    if (entry.state === 'resetting') this.resetting--
    entry.state = 'destroying'
    entry.cancel?.(new Error(`Given up: ${reason}`))
    entry.ending = { reason, error }
    this.destroying++
    void this.#pool.destroy(entry)
  }

  /** Gives up what is being opened. */
  cancelCreates(why: string): void {
    for (const entry of this.entries) {
      if (entry.state === 'creating') entry.cancel?.(new Error(`Given up: ${why}`))
    }
  }

  /**
   * Lets go of everything, now and silently: another process owns it and goes on using it. Returns how many resources
   * there were.
   */
  abandon(): number {
    this.abandoned = true
    const stale = this.#staleError()
    let discarded = 0
    for (const entry of this.entries) {
      entry.state = 'gone'
      if (entry.lease !== undefined) endLease(entry.lease, 'stale')
      entry.lease = undefined
      if (entry.resource !== undefined) {
        this.#discard(entry.resource)
        discarded++
      }
      entry.cancel?.(stale)
    }
    this.entries.clear()
    return discarded
  }

  async #create(): Promise<Entry<R>> {
    const entry = new Entry<R>(this)
    this.entries.add(entry)
    this.creating++
    const started = performance.now()
    const aborter = new AbortController()
    let opening: Promise<R> | undefined
    const outcome = await this.#bounded(
      entry,
      'create',
      this.#host.options.createTimeoutMillis,
      () => {
        opening = this.#open(aborter.signal)
        return opening
      },
      (reason) => aborter.abort(reason),
    )
    if (outcome.ok) {
      entry.resource = outcome.value
      return entry
    }
    entry.failure = { error: outcome.error }
    this.entries.delete(entry)
    this.creating--
    // A driver may open it all the same, too late for anyone to want it. If it fails, that is told of already.
    opening?.then(
      (resource) => this.#endLate(entry, resource),
      () => undefined,
    )
    if (!this.abandoned) this.#host.notOpened(entry, outcome.error, performance.now() - started)
    return entry
  }

  async #open(signal: AbortSignal): Promise<R> {
    const { connection, driver } = this.#host
    const target: unknown = typeof connection === 'function' ? await connection() : connection
    signal.throwIfAborted()
    const resource: unknown = await this.#call(() => driver.create(target, { signal }))
    if ((typeof resource === 'object' && resource !== null) || typeof resource === 'function') {
      return resource as R
    }
    throw new TypeError(
      `Expected \`create\` of driver "${driver.name}" to give an object, got ${show(resource)}.`,
    )
  }

  #opened(entry: Entry<R>, durationMillis: number): void {
    const { driver, options } = this.#host
    const jitter = 0.1 * Math.random()
    this.creating--
    entry.provedAt = performance.now()
    entry.expiresAt = entry.provedAt + options.maxLifetimeMillis * (1 - jitter)
    this.#guarded('watch', () =>
      driver.watch?.(entry.resource as R, (error) => this.#host.lost(entry, error)),
    )
    // It may have been lost already.
    if (entry.state === 'creating') this.#host.opened(entry, durationMillis)
  }

  #endLate(entry: Entry<R>, resource: R): void {
    if (this.abandoned) return this.#discard(resource)
    entry.resource = resource
    entry.state = 'destroying'
    entry.failure = undefined
    entry.ending = { reason: 'late', error: undefined }
    this.destroying++
    this.entries.add(entry)
    void this.#destroy(entry)
  }

  async #destroy(entry: Entry<R>): Promise<void> {
    if (entry.failure !== undefined) return
    const { driver, options, telemetry } = this.#host
    const resource = entry.resource as R
    const started = performance.now()
    const outcome = await this.#bounded(entry, 'destroy', options.destroyTimeoutMillis, () =>
      driver.destroy(resource),
    )
    if (this.abandoned) return
    // There was no goodbye, but nothing of it stays open.
    if (!outcome.ok) this.#discard(resource)
    entry.state = 'gone'
    this.entries.delete(entry)
    this.destroying--
    const { reason, error } = entry.ending ?? { reason: 'broken', error: undefined }
    telemetry.emit('destroy', {
      generation: this.number,
      durationMillis: performance.now() - started,
      reason,
      ...(error === undefined ? {} : { error }),
    })
    this.#host.ended(entry)
  }

  #discard(resource: R): void {
    this.#guarded('discard', () => this.#host.driver.discard(resource))
    this.#host.telemetry.discarded(this.number)
  }

  /** For the hooks that only touch this process: they must not throw, but may. */
  #guarded(hook: Hook, run: () => void): void {
    try {
      this.#host.context.runInAsyncScope(run)
    } catch (error) {
      this.#hookFailed(hook, error)
    }
  }

  /**
   * Waits for a hook until it settles, its time is up, or `entry.cancel` is called; in the last two cases `giveUp` is
   * called at once. What the hook does after that is of no consequence, a rejection included.
   */
  #bounded<T>(
    entry: Entry<R>,
    hook: 'create' | 'validate' | 'reset' | 'destroy',
    millis: number,
    run: () => T | Promise<T>,
    giveUp?: (reason: Error) => void,
  ): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      let settled = false
      const settle = (outcome: Outcome<T>): void => {
        if (settled) return
        settled = true
        clearTimeout(timer)
        if (entry.cancel === cancel) entry.cancel = undefined
        resolve(outcome)
      }
      const cancel = (error: Error): void => {
        settle({ ok: false, error })
        giveUp?.(error)
      }
      const fail = (error: unknown): void => {
        if (!settled && hook !== 'create') this.#hookFailed(hook, error)
        settle({ ok: false, error })
      }
      const timer = startTimer(() => {
        const error = new Error(`The driver's \`${hook}\` took longer than ${millis} ms.`)
        if (hook !== 'create') this.#hookFailed(hook, error)
        cancel(error)
      }, millis)
      entry.cancel = cancel
      try {
        Promise.resolve(this.#call(run)).then((value) => settle({ ok: true, value }), fail)
      } catch (error) {
        fail(error)
      }
    })
  }

  /**
   * The one place where a hook is called that may write to the server: only in the process that made the resource.
   * @throws {StaleResourceError} in any other.
   */
  #call<T>(run: () => T): T {
    this.#host.checkProcess()
    if (this.abandoned) throw this.#staleError()
    return this.#host.context.runInAsyncScope(run)
  }

  #staleError(): StaleResourceError {
    const { name } = this.#host.options
    return new StaleResourceError(
      `Pool "${name}": generation ${this.number} belongs to the process that this one was copied from.`,
      { pool: name },
    )
  }

  #hookFailed(hook: Hook, error: unknown): void {
    if (!this.abandoned || hook === 'discard') {
      this.#host.telemetry.emit('hookError', { generation: this.number, hook, error })
    }
  }
}
