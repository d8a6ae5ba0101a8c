import type { Clock } from './clock.ts'
import type { Borrower, Entry } from './entry.ts'
import type { LinkedList } from './list.ts'
import type { ParsedOptions } from './parse-options.ts'
import type { DestroyReason } from './surface.ts'
import { LONGEST_TIMER } from './timers.ts'

/** What upkeep asks of its pool. */
export interface Upkeep<R extends object> {
  readonly options: ParsedOptions
  readonly clock: Clock
  readonly idle: LinkedList<Entry<R>>
  /** Looks for a change of process. */
  checkProcess(): void
  numbers(): { readonly size: number; readonly destroying: number; readonly borrowed: number }
  entries(): Iterable<Entry<R>>
  destroy(entry: Entry<R>, reason: DestroyReason): void
  validate(entry: Entry<R>): void
  /** Called once for each leak. */
  leaked(entry: Entry<R>, borrower: Borrower, heldMillis: number): void
}

/**
 * The pool's one timer, unref'd. It sleeps until something is due: the end of an idle time or a life, a keepalive, a
 * leak. Whatever becomes due earlier than what it sleeps for has to be told.
 */
export class Maintenance<R extends object> {
  /** How long a resource may be idle before it wants looking after, in milliseconds. */
  readonly span: number
  readonly #pool: Upkeep<R>
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity

  constructor(pool: Upkeep<R>) {
    const { idleTimeoutMillis, keepaliveMillis } = pool.options
    this.#pool = pool
    this.span = Math.min(idleTimeoutMillis, keepaliveMillis || Infinity)
  }

  /** Something is due at that time by the monotonic clock. */
  expect(at: number): void {
    if (at < this.#dueAt) this.#sleep(at)
  }

  /** Looks at once: the timer may have been set by a clock that has gone back since. */
  wake(): void {
    if (this.#timer !== undefined) this.#sleep(0)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#dueAt = Infinity
    this.#pool.clock.alarmAt = Infinity
  }

  #sleep(until: number): void {
    clearTimeout(this.#timer)
    const { clock } = this.#pool
    const now = clock.now()
    const millis = Math.min(Math.max(0, Math.ceil(until - now)), LONGEST_TIMER)
    this.#timer = setTimeout(() => this.#tick(), millis).unref()
    this.#dueAt = until
    clock.alarmAt = now + millis
  }

  #tick(): void {
    this.#dueAt = Infinity
    this.#pool.clock.read()
    this.#pool.clock.alarmAt = Infinity
    this.#pool.checkProcess()
    this.expect(this.#look())
  }

  /** Ends what has lasted too long, tests what has been idle for long, and tells when to look again. */
  #look(): number {
    const { options, clock, idle } = this.#pool
    const { size, destroying } = this.#pool.numbers()
    const now = clock.monotonic
    const keepalive = options.keepaliveMillis || Infinity
    let spare = size - destroying - options.min
    let dueAt = Infinity
    // The end of one may be that of others.
    for (const entry of idle.members()) {
      if (entry.state !== 'idle') continue
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
    return Math.min(dueAt, this.#lookForLeaks(now))
  }

  #lookForLeaks(now: number): number {
    let dueAt = Infinity
    for (const entry of this.#pool.entries()) {
      const { lentAt, lentTo, state } = entry
      if (state !== 'lent' || lentTo === undefined) continue
      const leakAt = lentAt + lentTo.leakMillis
      if (now >= leakAt) {
        entry.lentTo = undefined
        this.#pool.leaked(entry, lentTo, now - lentAt)
      } else dueAt = Math.min(dueAt, leakAt)
    }
    return dueAt
  }
}
