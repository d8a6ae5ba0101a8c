import { BudgetError } from '../api/budget.ts'
import type { CreateFailure } from '../api/driver.ts'
import type { DestroyReason } from '../api/pool.ts'
import type { Context } from '../context/context.ts'
import { kindOf, oneOf } from '../tools/rules.ts'
import { errorFor } from '../tools/thrown.ts'
import { Backoff } from './backoff.ts'
import { Entry, type EntryPermit, type EntryState } from './entry.ts'
import { Generation } from './generation.ts'
import { Hooks } from './hooks.ts'
import { Idle } from './idle.ts'

/** Receives the reports of the stock. Implemented by the part that lends. */
export interface Demand<R extends object> {
  /** A resource is open, works and is reset: it can be lent. */
  ready(entry: Entry<R>): void
  /** A create failed. Returns whether a failure of the kind `single` was reported to a caller. */
  failed(error: unknown, kind: CreateFailure): boolean
  /** There may be reason or room to open another resource. */
  changed(): void
}

/** The reason why the pool abandoned a hook. It is not reported. */
class GivenUp extends Error {}

/** The budget has no permit for this resource. It is wanted again after a pause. */
class Refused extends GivenUp {}

const UNWANTED = 'The resource is no longer wanted.'

const aFailure = oneOf(['transient', 'fatal', 'full', 'single'] satisfies CreateFailure[])

/** The resources that exist: opens, tests, resets and ends them. */
export class Stock<R extends object> {
  readonly idle: Idle<R>
  readonly backoff: Backoff
  /** Every resource, from the begin of its create to the end of its destroy, of every generation. */
  readonly entries = new Set<Entry<R>>()
  creating = 0
  destroying = 0
  /** Resources in use by callers of `share`. */
  shared = 0
  /** Resources on their way that a waiting caller can count on. */
  coming = 0
  /** Resources being validated or reset. */
  #preparing = 0
  readonly hooks: Hooks<R>
  #ownership = { lost: false }
  #generation: Generation<Entry<R>>

  constructor(
    private readonly context: Context<R>,
    private readonly demand: Demand<R>,
  ) {
    this.hooks = new Hooks(context)
    this.idle = new Idle(context, this.hooks)
    this.backoff = new Backoff(context.options.backoff, () => demand.changed())
    this.#generation = this.#newGeneration(1)
  }

  get generation(): number {
    return this.#generation.number
  }

  get size(): number {
    return this.entries.size
  }

  /** All but those being destroyed. */
  get kept(): number {
    return this.entries.size - this.destroying
  }

  /** Resources with a bound permit, including those that are being destroyed. */
  get permits(): number {
    let permits = 0
    for (const { bound } of this.entries) if (bound) permits++
    return permits
  }

  get borrowed(): number {
    return this.kept - this.creating - this.#preparing - this.idle.length - this.shared
  }

  /** A create is in flight that was begun because another had failed. */
  get probing(): boolean {
    for (const { state, probe } of this.entries) if (probe && state === 'creating') return true
    return false
  }

  /** Opens a resource. Calls `ready` or `failed` afterwards. */
  open(permit?: EntryPermit): void {
    const entry = new Entry(this.#generation)
    entry.permit = permit
    entry.probe = this.backoff.failure !== undefined
    entry.opener = this.context.telemetry.opener()
    this.entries.add(entry)
    this.creating++
    this.#expect(entry)
    void entry.generation.create(entry).then((created) => {
      if (created.failed) created.generation.destroy(created)
      else this.#opened(created)
    })
  }

  /** Tests an idle resource for a waiting caller. */
  test(entry: Entry<R>): void {
    const usable = this.hooks.isUsable(entry)
    // The hook may have used the pool, which may have lent or ended the resource.
    if (entry.state !== 'idle') return undefined
    if (!usable) return this.end(entry, 'lost')
    if (this.idle.mayBeDead(entry)) return this.validate(entry)
    // A poll of the event loop is enough to hear of its end.
    entry.test = 'poll'
    return this.#test(entry, () => new Promise((resolve) => setImmediate(resolve, true)))
  }

  /** Asks the driver whether an idle resource still works. */
  validate(entry: Entry<R>, test?: 'keepalive'): void {
    entry.test = test
    const { validate } = this.context.driver
    this.#test(entry, () => this.hooks.call(entry, validate, entry.resource as R))
  }

  /** Makes a resource ready for its next holder: at once, if the driver does so at once. */
  reset(entry: Entry<R>): void {
    entry.state = 'resetting'
    let pending: void | Promise<void>
    try {
      entry.resetContext ??= { checkProcess: () => void this.hooks.call(entry) }
      const { reset } = this.context.driver
      pending = this.hooks.call(entry, reset, entry.resource as R, entry.resetContext)
    } catch (error) {
      this.hooks.failed(entry, 'reset', error)
      return this.#pass(entry, 'resetting', false, 'reset')
    }
    if (pending === undefined) return this.#pass(entry, 'resetting', true, 'reset')
    const resetting = Promise.resolve(pending)
    if (entry.state !== 'resetting') {
      // It was lost meanwhile; do not report what becomes of the hook.
      resetting.catch(() => undefined)
      return undefined
    }
    return this.#prepare(entry, 'reset', () => resetting)
  }

  /** Ends a resource politely. Does nothing if it is ending already. */
  end(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    const { state } = entry
    if (state === 'destroying' || state === 'gone') return
    if (state === 'idle') this.idle.remove(entry)
    if (state === 'lent' && entry.lentAt >= 0) {
      this.context.clock.read()
      this.returned(entry)
    }
    entry.state = 'destroying'
    entry.ending = { reason, error }
    this.destroying++
    entry.giveUp?.(new GivenUp(reason))
    if (state === 'shared') entry.sharers?.ended()
    entry.generation.destroy(entry)
    // Waiters or `min` may need a replacement now.
    if (state !== 'idle' || this.context.state === 'open') this.demand.changed()
  }

  endIdle(reason: DestroyReason): void {
    while (this.idle.first !== undefined) this.end(this.idle.first, reason)
  }

  /** Counts the time of a lease that has ended, by the last reading of the clock. Does nothing if that is counted already. */
  returned(entry: Entry<R>): void {
    const { lentAt } = entry
    if (lentAt < 0) return
    const { clock, counts, telemetry } = this.context
    const heldMillis = Math.max(0, clock.monotonic - lentAt)
    entry.lentAt = -1
    if (heldMillis > 0) counts.totalHoldMillis += heldMillis
    if (telemetry.releaseIsWatched) {
      telemetry.released(entry.id, entry.generation.number, heldMillis)
    }
  }

  /** Makes a resource keep the process alive, or stops that. */
  hold(entry: Entry<R>, hook: 'ref' | 'unref'): void {
    this.hooks.callGuarded(entry, hook, this.context.driver[hook], entry.resource as R)
  }

  /** A caller has waited in vain for `waitedMillis`. Discounts a resource that was on its way for most of that time. */
  outlived(waitedMillis: number): void {
    if (this.coming === 0) return
    const { monotonic } = this.context.clock
    for (const entry of this.entries) {
      if (!entry.coming || entry.giveUp === undefined) continue
      if (monotonic - entry.calledAt >= waitedMillis / 2) return this.#discount(entry)
    }
  }

  cancelCreates(): void {
    // A copy, because others may be begun in their place.
    const entries = [...this.entries]
    for (const { state, giveUp } of entries) {
      if (state === 'creating') giveUp?.(new GivenUp(UNWANTED))
    }
  }

  /** Gives up the creates and the tests that were begun for callers since then. Nobody waits for them any more. */
  abandon(since: number): void {
    const entries = [...this.entries]
    for (const entry of entries) {
      const { calledAt, giveUp, state, test } = entry
      if (giveUp === undefined || calledAt < since) continue
      if (state === 'creating') giveUp(new GivenUp(UNWANTED))
      else if (state === 'validating' && test !== 'keepalive') {
        entry.isUnresponsive = true
        this.end(entry, 'invalid', new Error('The resource did not answer in time.'))
      }
    }
  }

  /** Begins a new generation. The resources of the present one end as soon as they are idle. */
  recycle(): void {
    this.#generation = this.#newGeneration(this.generation + 1)
    for (const entry of this.entries) {
      entry.retired ??= 'recycle'
      this.#discount(entry)
    }
    this.backoff.reset()
    this.cancelCreates()
    this.endIdle('recycle')
  }

  /**
   * Begins a new generation in a process that owns none of the resources, and ends their leases. Returns the number of
   * resources and a function that discards them; that calls user code, for which all of this must be done already.
   */
  disown(): { readonly resources: number; readonly discard: () => void } {
    const disowned = [...this.entries]
    for (const entry of disowned) entry.state = 'gone'
    this.#ownership.lost = true
    this.#ownership = { lost: false }
    this.#generation = this.#newGeneration(this.generation + 1)
    this.entries.clear()
    this.idle.clear()
    this.creating = this.destroying = this.shared = this.#preparing = this.coming = 0
    this.backoff.reset()
    const opened = disowned.filter(({ resource }) => resource !== undefined)
    return {
      resources: opened.length,
      discard: () => {
        for (const entry of opened) this.#discard(entry)
        for (const entry of disowned) entry.giveUp?.(this.hooks.staleError(entry))
      },
    }
  }

  /** Returns a function that ends the present pause and the hooks now in flight, whose timers may be wrong. */
  endingTimers(): () => void {
    const inFlight = [...this.entries].map((entry) => ({ entry, giveUp: entry.giveUp }))
    return () => {
      this.backoff.reset()
      for (const { entry, giveUp } of inFlight) {
        if (entry.giveUp === giveUp) giveUp?.(new GivenUp('The clock has gone back.'))
      }
      this.demand.changed()
    }
  }

  #newGeneration(number: number): Generation<Entry<R>> {
    return new Generation(number, this.#ownership, {
      create: (entry, done) => this.#create(entry, done),
      destroy: (entry, done) => this.#destroy(entry, done),
    })
  }

  #create(entry: Entry<R>, done: () => void): void {
    entry.startedAt = this.context.clock.now()
    const aborter = new AbortController()
    // `recycle` was called before generic-pool began the create.
    if (entry.retired !== undefined) aborter.abort(new GivenUp(UNWANTED))
    this.hooks.callBounded(
      entry,
      'create',
      this.context.options.createTimeoutMillis,
      () => this.#connect(entry, aborter.signal),
      (outcome) => {
        if (!outcome.ok) this.#notOpened(entry, outcome.error)
        done()
      },
      (reason) => aborter.abort(reason),
    )
  }

  async #connect(entry: Entry<R>, signal: AbortSignal): Promise<void> {
    const { driver, options } = this.context
    signal.throwIfAborted()
    entry.permit?.check?.()
    let target = options.connection
    if (typeof target === 'function') {
      target = await this.hooks.call(entry, target as () => unknown)
      driver.checkConnection?.(target)
    }
    signal.throwIfAborted()
    const resource: unknown = await this.hooks.call(entry, driver.create, target, { signal })
    if ((typeof resource !== 'object' && typeof resource !== 'function') || resource === null) {
      throw new TypeError(
        `Expected \`create\` of driver "${driver.name}" to give an object, got ${kindOf(resource)}.`,
      )
    }
    entry.resource = resource as R
    if (signal.aborted) this.#endLate(entry)
    else if (entry.permit !== undefined) await this.#bind(entry, entry.permit, signal)
  }

  async #bind(entry: Entry<R>, permit: EntryPermit, signal: AbortSignal): Promise<void> {
    const bind = permit.bind?.bind(permit)
    const bound = await this.hooks.call(entry, bind, entry.resource as R, signal)
    if (bound === false) throw new Refused('The budget has no permit for it.')
    entry.bound = true
  }

  #opened(entry: Entry<R>): void {
    const { clock, counts, driver, options, telemetry } = this.context
    this.context.checkProcess()
    if (entry.generation.disowned) return
    this.creating--
    counts.created++
    this.#discount(entry)
    const now = clock.now()
    const jitter = 0.1 * Math.random()
    entry.expiresAt = now + options.maxLifetimeMillis * (1 - jitter)
    const lost = (error: Error): void => this.#lost(entry, error)
    const retire = (): void => this.#retire(entry)
    this.hooks.callGuarded(entry, 'watch', driver.watch, entry.resource as R, lost, retire)
    // It may already be lost or retired.
    if (entry.state !== 'creating') return
    // A create that began before the failure does not show that the server has recovered.
    if (entry.probe) this.backoff.reset()
    this.demand.ready(entry)
    const { id, generation, opener, startedAt } = entry
    const durationMillis = now - startedAt
    telemetry.createEnded('create', { id, generation: generation.number, durationMillis }, opener)
    // The server answers: others may be opened now.
    this.demand.changed()
  }

  #notOpened(entry: Entry<R>, error: unknown): void {
    entry.failed = true
    this.creating--
    this.#discount(entry)
    this.entries.delete(entry)
    const reason = error instanceof Refused ? 'budget' : 'late'
    if (entry.resource !== undefined) this.#endLate(entry, reason)
    else this.#release(entry)
    if (!(error instanceof GivenUp)) this.#createFailed(entry, error)
    this.demand.changed()
  }

  #createFailed(entry: Entry<R>, error: unknown): void {
    const { clock, counts, telemetry } = this.context
    const durationMillis = clock.now() - entry.startedAt
    counts.createFailures++
    const kind = this.#meaningOf(entry, error)
    const { id, generation, opener } = entry
    const isReported = kind === 'single' && this.demand.failed(error, kind)
    let retryMillis = 0
    if (isReported) this.backoff.reset()
    else retryMillis = this.backoff.failed(error, kind)
    const details = {
      id,
      generation: generation.number,
      durationMillis,
      error: errorFor(error),
      kind,
      failures: this.backoff.failures,
      retryMillis,
    }
    telemetry.createEnded('createError', details, opener)
    // If a listener has recycled, the failure no longer matters.
    if (!isReported && generation === this.#generation) this.demand.failed(error, kind)
  }

  /** Classifies a failure. If `connection` is a function, a failure is fatal only after a second call of it. */
  #meaningOf(entry: Entry<R>, failure: unknown): CreateFailure {
    const { driver, options } = this.context
    try {
      if (failure instanceof BudgetError) return 'fatal'
      const classify = (): unknown => driver.classify?.(failure) ?? 'transient'
      const kind = this.context.run(classify)
      if (aFailure.accepts(kind)) {
        const askAgain = typeof options.connection === 'function' && !entry.probe
        return kind === 'fatal' && askAgain ? 'transient' : (kind as CreateFailure)
      }
      if (kind instanceof Promise) kind.catch(() => undefined)
      throw new TypeError(
        `Expected \`classify\` of driver "${driver.name}" to give ${aFailure.expected}, got ${kindOf(kind)}.`,
      )
    } catch (error) {
      this.hooks.failed(entry, 'classify', error)
      return 'transient'
    }
  }

  /** Ends a resource that the driver opened after its create had been given up. generic-pool no longer knows it. */
  #endLate(opened: Entry<R>, reason: DestroyReason = 'late'): void {
    const entry = new Entry(opened.generation)
    entry.resource = opened.resource
    entry.permit = opened.permit
    opened.resource = opened.permit = undefined
    if (entry.generation.disowned) return this.#discard(entry)
    entry.state = 'destroying'
    entry.ending = { reason }
    this.destroying++
    this.entries.add(entry)
    return this.#destroy(entry)
  }

  #lost(entry: Entry<R>, error: Error): void {
    // A forked child must not react to the end of an inherited connection.
    this.context.checkProcess()
    if (entry.state === 'destroying' || entry.state === 'gone') return
    this.slowDownIfUnused(entry, error)
    this.end(entry, 'lost', error)
  }

  #retire(entry: Entry<R>): void {
    this.context.checkProcess()
    const { state } = entry
    if (entry.retired !== undefined || state === 'destroying' || state === 'gone') return
    this.slowDownIfUnused(entry, new Error('The resource was retired before its first use.'))
    entry.retired = 'retire'
    if (state === 'idle' || state === 'creating') return this.end(entry, 'retire')
    // A waiting caller needs another one.
    this.#discount(entry)
    return this.demand.changed()
  }

  /** A server that accepts a connection and ends it before its first use is failing. */
  slowDownIfUnused(entry: Entry<R>, error: unknown): void {
    const { clock, options } = this.context
    const isNew = clock.now() - entry.startedAt < options.createTimeoutMillis
    if (isNew && entry.uses === 0 && entry.retired === undefined) {
      this.backoff.failed(error, 'transient')
    }
  }

  #test(entry: Entry<R>, test: () => boolean | undefined | Promise<boolean>): void {
    this.idle.remove(entry)
    entry.state = 'validating'
    this.context.clock.read()
    this.#prepare(entry, 'validate', test)
  }

  /** Runs a test or a reset, after which the resource is lent or ends. */
  #prepare(
    entry: Entry<R>,
    hook: 'validate' | 'reset',
    start: () => boolean | void | Promise<boolean | void>,
  ): void {
    const { validateTimeoutMillis } = this.context.options
    const { state } = entry
    this.#preparing++
    this.#expect(entry)
    this.hooks.callBounded(entry, hook, validateTimeoutMillis, start, (outcome) => {
      this.context.clock.look()
      this.#preparing--
      this.#discount(entry)
      const good = outcome.ok && outcome.value !== false
      this.#pass(entry, state, good, hook === 'reset' ? 'reset' : 'invalid')
    })
  }

  /** Passes a resource on after a hook, or ends it. Does nothing if its state has changed meanwhile. */
  #pass(entry: Entry<R>, from: EntryState, good: boolean, otherwise: DestroyReason): void {
    if (entry.state !== from) return
    if (good) return this.demand.ready(entry)
    if (otherwise === 'invalid') this.#proveIdle(entry.calledAt)
    return this.end(entry, otherwise)
  }

  /**
   * Validates all idle resources that are as old as one that was found dead, because the same cause may have ended them. All at once,
   * so that no caller has to wait for one after the other.
   */
  #proveIdle(unlessTrustedSince: number): void {
    for (const entry of this.idle.members()) {
      if (entry.state === 'idle' && entry.trustedAt < unlessTrustedSince) {
        this.validate(entry, 'keepalive')
      }
    }
  }

  #destroy(entry: Entry<R>, done?: () => void): void {
    if (entry.failed) return done?.()
    const { clock, counts, driver, options, telemetry } = this.context
    const started = clock.now()
    return this.hooks.callBounded(
      entry,
      'destroy',
      options.destroyTimeoutMillis,
      () =>
        entry.isUnresponsive
          ? undefined
          : this.hooks.call(entry, driver.destroy, entry.resource as R),
      (outcome) => {
        done?.()
        // It was not closed politely.
        if (!outcome.ok || entry.isUnresponsive) this.#discard(entry)
        entry.state = 'gone'
        this.entries.delete(entry)
        this.destroying--
        this.#release(entry)
        const { reason, error } = entry.ending
        counts.destroyed[reason]++
        telemetry.emit('destroy', {
          id: entry.id,
          generation: entry.generation.number,
          durationMillis: clock.now() - started,
          reason,
          ...(error === undefined ? {} : { error: errorFor(error) }),
        })
        this.demand.changed()
      },
    )
  }

  #release(entry: Entry<R>): void {
    const { permit } = entry
    entry.permit = undefined
    permit?.release()
  }

  #discard(entry: Entry<R>): void {
    const { counts, driver, telemetry } = this.context
    const resource = entry.resource as R
    counts.discarded++
    entry.resource = undefined
    this.hooks.callGuarded(entry, 'discard', driver.discard, resource)
    telemetry.discarded(entry.id, entry.generation.number)
  }

  /** Waiting callers count on this resource. */
  #expect(entry: Entry<R>): void {
    entry.coming = true
    this.coming++
  }

  /** Waiting callers no longer count on this resource: it has come, or may not come. */
  #discount(entry: Entry<R>): void {
    if (entry.coming) this.coming--
    entry.coming = false
  }
}
