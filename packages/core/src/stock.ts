import { AsyncResource } from 'node:async_hooks'
import { Backoff } from './backoff.ts'
import type { Clock } from './clock.ts'
import type { CreateFailure, Driver } from './driver.ts'
import type { Entry, EntryState } from './entry.ts'
import { Generation, type GenerationHost } from './generation.ts'
import type { ParsedOptions } from './parse-options.ts'
import { oneOf, show } from './rules.ts'
import type { DestroyReason } from './surface.ts'
import type { Telemetry } from './telemetry.ts'

/** What the stock asks and tells its pool. */
export interface StockKeeper<R extends object> {
  /** Looks for a change of process. */
  checkProcess(): void
  /** A resource is open, valid and reset: for the next holder. */
  ready(entry: Entry<R>): void
  /** A create failed. */
  failed(error: unknown, kind: CreateFailure): void
  /** Tells whoever has waited longest of a failed create; returns whether anyone waits. */
  tellOne(error: unknown): boolean
  /** A resource died by itself. */
  lost(entry: Entry<R>, error: Error): void
  /** There may be reason or room to open another. */
  changed(): void
}

const aFailure = oneOf(['transient', 'fatal', 'full', 'single'] satisfies CreateFailure[])

/** What exists: the generations of a pool, and when a new resource may be opened. */
export class Stock<R extends object> {
  readonly backoff: Backoff
  readonly #driver: Driver<R, unknown, object>
  readonly #options: ParsedOptions
  readonly #telemetry: Telemetry
  readonly #keeper: StockKeeper<R>
  readonly #host: GenerationHost<R> & { incarnation: number }
  #generation: Generation<R>
  /** Recycled ones, until their last resource has ended. */
  readonly #retired = new Set<Generation<R>>()

  constructor(
    driver: Driver<R, unknown, object>,
    connection: unknown,
    options: ParsedOptions,
    telemetry: Telemetry,
    clock: Clock,
    keeper: StockKeeper<R>,
  ) {
    this.#driver = driver
    this.#options = options
    this.#telemetry = telemetry
    this.#keeper = keeper
    this.backoff = new Backoff(options.backoff, () => keeper.changed())
    this.#host = {
      driver,
      connection,
      options,
      telemetry,
      clock,
      context: new AsyncResource('ForkSafePool'),
      incarnation: 0,
      failing: () => this.failure !== undefined,
      checkProcess: () => keeper.checkProcess(),
      opened: (entry, durationMillis) => this.#opened(entry, durationMillis),
      notOpened: (entry, error, durationMillis) => this.#notOpened(entry, error, durationMillis),
      lost: (entry, error) => keeper.lost(entry, error),
      late: (generation) => {
        if (generation !== this.#generation) this.#retired.add(generation)
      },
      ended: (entry) => this.#ended(entry),
    }
    this.#generation = new Generation(this.#host, 1)
  }

  get generation(): number {
    return this.#generation.number
  }

  get size(): number {
    const { size } = this.#generation.entries
    return this.#retired.size === 0 ? size : this.#sum(({ entries }) => entries.size)
  }

  get creating(): number {
    return this.#sum((generation) => generation.creating)
  }

  get destroying(): number {
    return this.#sum((generation) => generation.destroying)
  }

  /** All but those being destroyed. */
  get kept(): number {
    return this.size - this.destroying
  }

  /** Those that are neither lent nor idle, and can be counted on for a waiting caller. */
  get coming(): number {
    const { creating, validating, resetting, overdue } = this.#generation
    return creating + validating + resetting - overdue
  }

  /** How many more may be opened, at once or as soon as other creates have ended. */
  get room(): number {
    return this.failure === undefined ? Math.max(0, this.#options.max - this.size) : 0
  }

  /** Those that are neither lent nor idle. */
  get inTransit(): number {
    return this.#sum(
      ({ creating, validating, resetting, destroying }) =>
        creating + validating + resetting + destroying,
    )
  }

  get failure(): Backoff['failure'] {
    return this.backoff.failure
  }

  /** At most `maxConnecting` at once; while creates fail, one, after a pause. */
  get mayOpen(): boolean {
    if (this.size >= this.#options.max || this.creating >= this.#options.maxConnecting) return false
    return this.failure === undefined || (!this.backoff.pausing && !this.#generation.probing)
  }

  open(): void {
    this.#generation.open()
  }

  /** Finds out whether an idle resource still works, and passes it on; `failed` is called where it does not. */
  validate(entry: Entry<R>, failed: () => void): void {
    entry.generation.validate(entry, (valid) => {
      this.#pass(entry, 'validating', valid, 'invalid', failed)
    })
  }

  /** Lets the event loop poll once, which hears of an end, and passes the resource on. */
  poll(entry: Entry<R>): void {
    entry.generation.poll(entry, (valid) => this.#pass(entry, 'validating', valid, 'invalid'))
  }

  /** A caller has waited in vain for so long. */
  outlived(waitedMillis: number): void {
    if (this.coming > 0) this.#generation.outlived(waitedMillis)
  }

  /** Takes away what the last holder left, and passes the resource on. */
  reset(entry: Entry<R>): void {
    entry.generation.reset(entry, (ready) => this.#pass(entry, 'resetting', ready, 'reset'))
  }

  /** After a hook: on to the next holder, or to its end. In the meantime it may have been lost, or left behind. */
  #pass(
    entry: Entry<R>,
    from: EntryState,
    good: boolean,
    otherwise: DestroyReason,
    failed?: () => void,
  ): void {
    if (entry.state !== from) return
    if (good) return this.#keeper.ready(entry)
    this.destroy(entry, otherwise)
    failed?.()
    // Whoever waited for it need not wait for its end, which may take as long again.
    return this.#keeper.changed()
  }

  destroy(entry: Entry<R>, reason: DestroyReason, error?: unknown): void {
    entry.generation.destroy(entry, reason, error)
  }

  cancelCreates(): void {
    this.#generation.cancelCreates()
  }

  /** Returns what ends whatever only a timer may end that is set now: pauses, and hooks in flight. */
  endingTimers(): () => void {
    const giveUps = [this.#generation, ...this.#retired].map((each) => each.givingUpHooks())
    return () => {
      this.backoff.reset()
      for (const giveUp of giveUps) giveUp()
      this.#keeper.changed()
    }
  }

  /** Begins a new generation; the resources of the one before end as they come back. */
  recycle(): void {
    const old = this.#generation
    old.retired = true
    this.#retired.add(old)
    this.#generation = new Generation(this.#host, old.number + 1)
    old.cancelCreates()
    this.backoff.reset()
    this.#forgetEnded(old)
  }

  /**
   * Begins a new generation in a process that owns none of the resources. Returns what discards them, and how many there are.
   */
  disown(): { readonly resources: number; readonly discard: () => void } {
    const inherited = [this.#generation, ...this.#retired]
    this.#host.incarnation++
    this.#retired.clear()
    this.#generation = new Generation(this.#host, this.#generation.number + 1)
    this.backoff.reset()
    const disowned = inherited.map((generation) => generation.disown())
    return {
      resources: disowned.reduce((sum, { resources }) => sum + resources, 0),
      discard: () => {
        for (const { discard } of disowned) discard()
      },
    }
  }

  /** Every entry, of every generation. */
  *entries(): Generator<Entry<R>, void, undefined> {
    yield* this.#generation.entries
    for (const generation of this.#retired) yield* generation.entries
  }

  /** Whether a resource holds the process open: a lent one does, an idle one need not. */
  hold(entry: Entry<R>, hook: 'ref' | 'unref'): void {
    entry.generation.hold(entry, hook)
  }

  #opened(entry: Entry<R>, durationMillis: number): void {
    // One that was begun before the failure says nothing of what comes after it.
    if (entry.probe) this.backoff.reset()
    this.#keeper.ready(entry)
    this.#telemetry.emit('create', { generation: entry.generation.number, durationMillis })
    // The server answers again: there may be more to open than this one.
    this.#keeper.changed()
  }

  #notOpened(entry: Entry<R>, error: unknown, durationMillis: number): void {
    const kind = this.#meaningOf(entry, error)
    const retryMillis = this.#pauseAfter(error, kind)
    this.#telemetry.emit('createError', {
      generation: entry.generation.number,
      durationMillis,
      error,
      kind,
      failures: this.backoff.failures,
      retryMillis,
    })
    // A listener may have recycled: what failed is of no more interest.
    if (!entry.generation.retired) this.#keeper.failed(error, kind)
    this.#ended(entry)
  }

  /** Returns how long nothing is opened, in milliseconds. */
  #pauseAfter(error: unknown, kind: CreateFailure): number {
    if (kind !== 'single' || !this.#keeper.tellOne(error)) return this.backoff.failed(error, kind)
    this.backoff.reset()
    return 0
  }

  /** What a function gave may have changed since: it is asked once more before anyone is told that there is no hope. */
  #meaningOf(entry: Entry<R>, error: unknown): CreateFailure {
    const kind = this.#classify(error)
    const askAgain = typeof this.#host.connection === 'function' && !entry.probe
    return kind === 'fatal' && askAgain ? 'transient' : kind
  }

  #classify(failure: unknown): CreateFailure {
    const classify = (): CreateFailure => this.#driver.classify?.(failure) ?? 'transient'
    try {
      const kind: unknown = this.#host.context.runInAsyncScope(classify)
      if (aFailure.accepts(kind)) return kind as CreateFailure
      if (kind instanceof Promise) kind.catch(() => undefined)
      throw new TypeError(
        `Expected \`classify\` of driver "${this.#driver.name}" to give ${aFailure.expected}, got ${show(kind)}.`,
      )
    } catch (error) {
      this.#telemetry.emit('hookError', {
        generation: this.#generation.number,
        hook: 'classify',
        error,
      })
      return 'transient'
    }
  }

  #ended(entry: Entry<R>): void {
    this.#forgetEnded(entry.generation)
    this.#keeper.changed()
  }

  #forgetEnded(generation: Generation<R>): void {
    if (generation.entries.size === 0) this.#retired.delete(generation)
  }

  #sum(of: (generation: Generation<R>) => number): number {
    let sum = of(this.#generation)
    for (const generation of this.#retired) sum += of(generation)
    return sum
  }
}
