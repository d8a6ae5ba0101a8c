import genericPool, { type Pool } from 'generic-pool'
import type { ResetContext } from './driver.ts'
import { Entry } from './entry.ts'
import { Hooks, type HooksHost } from './hooks.ts'
import { endLease } from './lease.ts'
import { show } from './rules.ts'
import type { DestroyReason } from './surface.ts'

/** What a generation needs of its pool. */
export interface GenerationHost<R extends object> extends HooksHost<R> {
  readonly connection: unknown
  /** Whether the last create has failed. */
  failing(): boolean
  opened(entry: Entry<R>, durationMillis: number): void
  notOpened(entry: Entry<R>, error: unknown, durationMillis: number): void
  /** A resource died by itself. */
  lost(entry: Entry<R>, error: Error): void
  /** A generation has an entry that nobody expects any more, when it may have been thought to be at its end. */
  late(generation: Generation<R>): void
  /** An entry has left its generation: there is room for another. */
  ended(entry: Entry<R>): void
}

/** The pool itself has lost interest in what a hook was doing: nobody has to be told. */
class GivenUp extends Error {}

/**
 * Every resource that was opened under one identity of the process. generic-pool keeps the books: it creates, counts
 * and destroys. It is never asked to lend: each entry is on loan to the pool from its first moment to its last.
 */
export class Generation<R extends object> {
  readonly number: number
  /** Its resources end as they come back. */
  retired = false
  readonly entries = new Set<Entry<R>>()
  creating = 0
  validating = 0
  resetting = 0
  destroying = 0
  /** Those on their way that nobody counts on any more. */
  overdue = 0
  readonly #host: GenerationHost<R>
  readonly #hooks: Hooks<R>
  readonly #steps: ResetContext = { checkProcess: () => this.#hooks.call() }
  readonly #pool: Pool<Entry<R>>
  /** What generic-pool may begin to create, and has not yet. */
  readonly #reserved: Entry<R>[] = []

  constructor(host: GenerationHost<R>, number: number) {
    this.#host = host
    this.number = number
    this.#hooks = new Hooks(host, number)
    this.#pool = genericPool.createPool(
      {
        // It never rejects: generic-pool would try again at once, and for ever.
        create: () => new Promise((resolve) => this.#create(resolve)),
        destroy: (entry) => new Promise((resolve) => this.#destroy(entry, resolve)),
      },
      { autostart: false },
    )
    // What was asked for, and not a `max` of generic-pool's own: `max` changes, and what is being destroyed takes up room.
    Object.defineProperty(this.#pool, 'spareResourceCapacity', { get: () => this.#reserved.length })
  }

  /** It belongs to another process. */
  get abandoned(): boolean {
    return this.#hooks.abandoned
  }

  /** A create is in flight that was begun because another had failed. */
  get probing(): boolean {
    for (const { state, probe } of this.entries) if (probe && state === 'creating') return true
    return false
  }

  /** Opens a resource; the host's `opened` or `notOpened` follows. */
  open(): void {
    const entry = new Entry<R>(this)
    entry.probe = this.#host.failing()
    this.entries.add(entry)
    this.creating++
    // One that has just come to be keeps generic-pool from creating the next for a turn.
    this.#reserved.push(entry)
    void this.#pool.acquire().then((created) => {
      if (created.failed) return this.#pool.destroy(created)
      this.#opened(created)
      return undefined
    })
  }

  /** Asks the driver whether a resource still works, and calls `done` once. */
  validate(entry: Entry<R>, done: (valid: boolean) => void): void {
    const { validate } = this.#host.driver
    this.#test(entry, () => this.#hooks.call(validate, entry.resource as R), done)
  }

  /** Waits until the event loop has polled, so that the end of a resource is heard, and calls `done` once. */
  poll(entry: Entry<R>, done: (valid: boolean) => void): void {
    this.#test(entry, () => new Promise((resolve) => setImmediate(resolve, true)), done)
  }

  #test(
    entry: Entry<R>,
    test: () => boolean | undefined | Promise<boolean>,
    done: (valid: boolean) => void,
  ): void {
    entry.state = 'validating'
    this.validating++
    this.#hooks.callBounded(
      entry,
      'validate',
      this.#host.options.validateTimeoutMillis,
      test,
      (outcome) => {
        this.validating--
        done(outcome.ok && outcome.value !== false)
      },
    )
  }

  /** Makes a resource ready for its next holder, and calls `done` once: at once, where the driver is done at once. */
  reset(entry: Entry<R>, done: (ready: boolean) => void): void {
    const { driver, options } = this.#host
    entry.state = 'resetting'
    let pending: void | Promise<void>
    try {
      pending = this.#hooks.call(driver.reset, entry.resource as R, this.#steps)
    } catch (error) {
      this.#hooks.failed('reset', error)
      return done(false)
    }
    if (pending === undefined) return done(true)
    if (entry.state !== 'resetting') {
      // It was lost on the way: what becomes of the hook is of no consequence.
      Promise.resolve(pending).catch(() => undefined)
      return done(false)
    }
    this.resetting++
    this.#hooks.callBounded(
      entry,
      'reset',
      options.validateTimeoutMillis,
      () => pending,
      ({ ok }) => {
        this.resetting--
        done(ok)
      },
    )
  }

  /** Closes a resource politely; the host's `ended` follows, however the driver fares. */
  destroy(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    entry.state = 'destroying'
    entry.ending = { reason, error }
    this.destroying++
    entry.giveUp?.(new GivenUp(reason))
    void this.#pool.destroy(entry)
  }

  /** Does not count any more on one of those that were on their way for most of a wait that was in vain. */
  outlived(waitedMillis: number): void {
    const { monotonic } = this.#host.clock
    for (const entry of this.entries) {
      if (entry.giveUp === undefined || entry.overdue || entry.state === 'destroying') continue
      if (monotonic - entry.calledAt < waitedMillis / 2) continue
      entry.overdue = true
      this.overdue++
      return
    }
  }

  /** Counts on a resource again: it is on its way no longer. */
  countOn(entry: Entry<R>): void {
    if (entry.overdue) this.overdue--
    entry.overdue = false
  }

  /** Whether a resource holds the process open. */
  hold(entry: Entry<R>, hook: 'ref' | 'unref'): void {
    this.#hooks.callGuarded(hook, this.#host.driver[hook], entry.resource as R)
  }

  /** Gives up what is being opened. */
  cancelCreates(): void {
    for (const entry of this.entries) {
      if (entry.state === 'creating') entry.giveUp?.(new GivenUp('Nobody wants it.'))
    }
  }

  /** Returns what gives up the hooks that are in flight now, and none that begins later. */
  givingUpHooks(): () => void {
    const inFlight = [...this.entries].map((entry) => ({ entry, giveUp: entry.giveUp }))
    return () => {
      for (const { entry, giveUp } of inFlight) {
        if (entry.giveUp === giveUp) giveUp?.(new GivenUp('Its clock has gone back.'))
      }
    }
  }

  /**
   * Ends every lease and forgets every entry: another process owns them. Returns what discards the resources, silently, and
   * how many there are. That runs user code, for which all this must be true already.
   */
  disown(): { readonly resources: number; readonly discard: () => void } {
    const disowned = [...this.entries]
    for (const entry of disowned) {
      entry.state = 'gone'
      if (entry.lease !== undefined) endLease(entry.lease, 'stale')
      entry.lease = undefined
    }
    this.entries.clear()
    return {
      resources: disowned.filter(({ resource }) => resource !== undefined).length,
      discard: () => {
        const stale = this.#hooks.staleError()
        for (const { resource, giveUp } of disowned) {
          if (resource !== undefined) this.#discard(resource)
          giveUp?.(stale)
        }
      },
    }
  }

  #create(resolve: (entry: Entry<R>) => void): void {
    const entry = this.#reserved.shift() as Entry<R>
    if (this.retired) {
      // Recycled a turn before generic-pool got here.
      this.#notOpened(entry, new GivenUp('Nobody wants it.'))
      return resolve(entry)
    }
    entry.startedAt = this.#host.clock.now()
    const aborter = new AbortController()
    this.#hooks.callBounded(
      entry,
      'create',
      this.#host.options.createTimeoutMillis,
      () => this.#open(entry, aborter.signal),
      (outcome) => {
        if (!outcome.ok) this.#notOpened(entry, outcome.error)
        resolve(entry)
      },
      (reason) => aborter.abort(reason),
    )
  }

  async #open(entry: Entry<R>, signal: AbortSignal): Promise<void> {
    const { connection, driver } = this.#host
    const target: unknown =
      typeof connection === 'function'
        ? await this.#hooks.call(() => connection() as unknown)
        : connection
    signal.throwIfAborted()
    const resource: unknown = await this.#hooks.call(driver.create, target, { signal })
    if ((typeof resource !== 'object' && typeof resource !== 'function') || resource === null) {
      throw new TypeError(
        `Expected \`create\` of driver "${driver.name}" to give an object, got ${show(resource)}.`,
      )
    }
    if (signal.aborted) this.#endLate(entry, resource as R)
    else entry.resource = resource as R
  }

  #notOpened(entry: Entry<R>, error: unknown): void {
    entry.failed = true
    this.creating--
    this.entries.delete(entry)
    if (this.abandoned) return
    if (entry.resource !== undefined) this.#endLate(entry, entry.resource)
    if (error instanceof GivenUp) this.#host.ended(entry)
    else this.#host.notOpened(entry, error, this.#host.clock.now() - entry.startedAt)
  }

  #opened(entry: Entry<R>): void {
    const { clock, driver, options } = this.#host
    this.#host.checkProcess()
    if (this.abandoned) return
    this.creating--
    const now = clock.now()
    const jitter = 0.1 * Math.random()
    entry.expiresAt = now + options.maxLifetimeMillis * (1 - jitter)
    const lost = (error: Error): void => this.#host.lost(entry, error)
    this.#hooks.callGuarded('watch', driver.watch, entry.resource as R, lost)
    // It may have been lost already.
    if (entry.state === 'creating') this.#host.opened(entry, now - entry.startedAt)
  }

  /** The driver has opened it all the same, too late for anyone to want it. generic-pool has forgotten it by now. */
  #endLate(opened: Entry<R>, resource: R): void {
    opened.resource = undefined
    if (this.abandoned) return this.#discard(resource)
    const entry = new Entry<R>(this)
    entry.resource = resource
    entry.state = 'destroying'
    entry.ending = { reason: 'late' }
    this.destroying++
    this.entries.add(entry)
    this.#host.late(this)
    return this.#destroy(entry)
  }

  #destroy(entry: Entry<R>, resolve?: () => void): void {
    if (entry.failed) return resolve?.()
    const { clock, driver, options, telemetry } = this.#host
    const resource = entry.resource as R
    const started = clock.now()
    return this.#hooks.callBounded(
      entry,
      'destroy',
      options.destroyTimeoutMillis,
      () => (entry.mute ? undefined : this.#hooks.call(driver.destroy, resource)),
      (outcome) => {
        resolve?.()
        if (this.abandoned) return
        // There was no goodbye, but nothing of it stays open.
        if (!outcome.ok || entry.mute) this.#discard(resource)
        entry.state = 'gone'
        this.entries.delete(entry)
        this.destroying--
        const { reason, error } = entry.ending
        telemetry.emit('destroy', {
          generation: this.number,
          durationMillis: clock.now() - started,
          reason,
          ...(error === undefined ? {} : { error }),
        })
        this.#host.ended(entry)
      },
    )
  }

  #discard(resource: R): void {
    this.#hooks.callGuarded('discard', this.#host.driver.discard, resource)
    this.#host.telemetry.discarded(this.number)
  }
}
