import type { Borrower, Entry } from './entry.ts'
import type { Handoff } from './handoff.ts'
import type { ParsedOptions } from './options.ts'
import type { DestroyReason } from './surface.ts'
import { type CoarseClock, LONGEST_TIMER } from './timers.ts'

/** What upkeep asks of its pool. */
export interface Upkeep<R extends object> {
  readonly options: ParsedOptions
  readonly clock: CoarseClock
  readonly handoff: Handoff<R>
  /** Looks for a change of process. */
  checkProcess(): void
  numbers(): { readonly size: number; readonly destroying: number; readonly borrowed: number }
  entries(): Iterable<Entry<R>>
  destroy(entry: Entry<R>, reason: DestroyReason): void
  validate(entry: Entry<R>): void
  /** Called once for each leak. */
  leaked(entry: Entry<R>, borrower: Borrower, heldMillis: number): void
}

/** How often the clocks are read while something is lent, when nothing asks for more. */
const SLOWEST_PACE = 1_000
const FASTEST_PACE = 5

/**
 * The pool's one timer, unref'd. While something is lent it keeps the coarse clock going; otherwise it sleeps until the
 * next resource is due: for the end of its idle time or its life, or for a keepalive.
 */
export class Maintenance<R extends object> {
  awake = false
  readonly #pool: Upkeep<R>
  readonly #pace: number
  #timer: NodeJS.Timeout | undefined

  constructor(pool: Upkeep<R>) {
    this.#pool = pool
    const { idleTimeoutMillis, keepaliveMillis, leakDetectionMillis, validateAfterIdleMillis } =
      pool.options
    const shortest = Math.min(
      idleTimeoutMillis,
      keepaliveMillis || Infinity,
      leakDetectionMillis || Infinity,
      validateAfterIdleMillis || Infinity,
    )
    this.#pace = Math.max(FASTEST_PACE, Math.min(SLOWEST_PACE, shortest / 4))
  }

  /** Something is lent, or has become idle: both want to be looked after. Reads the clocks. */
  wake(): void {
    this.awake = true
    this.#pool.clock.read()
    this.#sleep(this.#pace)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.awake = false
  }

  #sleep(millis: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#tick(), Math.min(Math.ceil(millis), LONGEST_TIMER)).unref()
  }

  #tick(): void {
    const { clock } = this.#pool
    clock.read()
    this.#pool.checkProcess()
    const dueAt = this.#look()
    if (this.#pool.numbers().borrowed > 0) return this.#sleep(this.#pace)
    this.awake = false
    if (dueAt < Infinity) this.#sleep(dueAt - clock.monotonic)
  }

  /** Ends what has lasted too long, tests what has been idle for long, and tells when to look again. */
  #look(): number {
    const { options, clock, handoff } = this.#pool
    const { size, destroying } = this.#pool.numbers()
    const now = clock.monotonic
    const keepalive = options.keepaliveMillis || Infinity
    let spare = size - destroying - options.min
    let dueAt = Infinity
    for (const entry of handoff.idle) {
      const idleUntil = entry.idleSince + options.idleTimeoutMillis
      const proveAt = entry.trustedAt + keepalive
      if (now >= entry.expiresAt) {
        this.#pool.destroy(entry, 'lifetime')
        spare--
      } else if (now >= idleUntil && spare > 0) {
        this.#pool.destroy(entry, 'idle')
        spare--
      } else if (now >= proveAt) this.#pool.validate(entry)
      else {
        dueAt = Math.min(dueAt, entry.expiresAt, proveAt)
        // At `min` already: it may stay until there is more again, and then there will be another look.
        if (now < idleUntil) dueAt = Math.min(dueAt, idleUntil)
      }
    }
    if (options.leakDetectionMillis > 0) dueAt = Math.min(dueAt, this.#lookForLeaks(now))
    return dueAt
  }

  #lookForLeaks(now: number): number {
    const { leakDetectionMillis } = this.#pool.options
    let dueAt = Infinity
    for (const entry of this.#pool.entries()) {
      const { lentAt, lentTo, state } = entry
      if (state !== 'lent' || lentTo === undefined) continue
      const leakAt = lentAt + leakDetectionMillis
      if (now >= leakAt) {
        entry.lentTo = undefined
        this.#pool.leaked(entry, lentTo, now - lentAt)
      } else dueAt = Math.min(dueAt, leakAt)
    }
    return dueAt
  }
}
