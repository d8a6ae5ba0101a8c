import type { Context } from '../context/context.ts'
import { type Entry, REPORTED } from '../stock/entry.ts'
import type { Stock } from '../stock/stock.ts'
import { LONGEST_TIMER } from '../tools/timers.ts'

/** The pool's timer for idle times, lifetimes, keepalives and leaks. It is unref'd, and fires when the first of them is due. */
export class Upkeep<R extends object> {
  /** The idle time after which something is due. */
  readonly #span: number
  #timer: NodeJS.Timeout | undefined
  #dueAt = Infinity

  constructor(
    private readonly context: Context<R>,
    private readonly stock: Stock<R>,
  ) {
    const { idleTimeoutMillis, keepaliveMillis } = context.options
    this.#span = Math.min(idleTimeoutMillis, keepaliveMillis || Infinity)
  }

  expectIdle(entry: Entry<R>): void {
    const at = entry.idleSince + this.#span
    this.expect(at < entry.expiresAt ? at : entry.expiresAt)
  }

  /** Sets the timer, if something is due earlier than before. */
  expect(at: number): void {
    if (at < this.#dueAt) this.#sleep(at)
  }

  /** Makes the timer fire now, after its clock has gone back. */
  wake(): void {
    if (this.#timer !== undefined) this.#sleep(0)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#dueAt = Infinity
    this.context.clock.alarmAt = Infinity
  }

  #sleep(until: number): void {
    clearTimeout(this.#timer)
    const { clock } = this.context
    const now = clock.now()
    const millis = Math.min(Math.max(0, Math.ceil(until - now)), LONGEST_TIMER)
    this.#timer = setTimeout(() => this.#tick(), millis).unref()
    this.#dueAt = until
    clock.alarmAt = now + millis
  }

  #tick(): void {
    const { clock } = this.context
    this.#dueAt = Infinity
    clock.read()
    clock.alarmAt = Infinity
    this.context.checkProcess()
    this.expect(Math.min(this.#lookAtIdle(clock.monotonic), this.#lookForLeaks(clock.monotonic)))
  }

  /** Ends and validates idle resources whose time has come. Returns the next time at which something is due. */
  #lookAtIdle(now: number): number {
    const { options } = this.context
    const stock = this.stock
    const keepalive = options.keepaliveMillis || Infinity
    let spare = stock.kept - options.min
    let dueAt = Infinity
    // The end of one may end others.
    for (const entry of stock.idle.members()) {
      if (entry.state !== 'idle') continue
      const idleUntil = entry.idleSince + options.idleTimeoutMillis
      const proveAt = entry.trustedAt + keepalive
      const isExpired = now >= entry.expiresAt
      if (isExpired || (now >= idleUntil && spare > 0)) {
        stock.end(entry, isExpired ? 'lifetime' : 'idle')
        spare--
      } else if (now >= proveAt) stock.validate(entry, 'keepalive')
      else {
        dueAt = Math.min(dueAt, entry.expiresAt, proveAt)
        // At `min`, it stays until another resource becomes idle, which sets the timer again.
        if (now < idleUntil) dueAt = Math.min(dueAt, idleUntil)
      }
    }
    return dueAt
  }

  #lookForLeaks(now: number): number {
    let dueAt = Infinity
    for (const entry of this.stock.entries) {
      const { id, generation, lentAt, lentTo, state } = entry
      if (state !== 'lent' || lentTo === undefined) continue
      const leakAt = lentAt + lentTo.leakMillis
      if (now >= leakAt) {
        entry.lentTo = REPORTED
        const { stack } = lentTo
        const leak = { id, generation: generation.number, heldMillis: now - lentAt, stack }
        this.context.telemetry.emit('leak', leak)
      } else dueAt = Math.min(dueAt, leakAt)
    }
    return dueAt
  }
}
