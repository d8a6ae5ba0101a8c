import type { Context } from '../context/context.ts'
import { type Entry, REPORTED } from '../stock/entry.ts'
import type { Stock } from '../stock/stock.ts'
import { LONGEST_TIMER } from '../tools/timers.ts'

/**
 * The pool's one timer, unref'd. It sleeps until something is due: the end of an idle time or a lifetime, a keepalive, a leak.
 * Call `expect` for whatever becomes due earlier.
 */
export class Upkeep<R extends object> {
  /** How long a resource may be idle before something is due, in milliseconds. */
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

  /** A resource has become idle, at `idleSince` or before. */
  expectIdle(entry: Entry<R>): void {
    const at = entry.idleSince + this.#span
    this.expect(at < entry.expiresAt ? at : entry.expiresAt)
  }

  /** Something is due at that time by the monotonic clock. */
  expect(at: number): void {
    if (at < this.#dueAt) this.#sleep(at)
  }

  /** Makes the timer fire now: it may have been set by a clock that has gone back since. */
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

  /** Ends what has lasted too long and tests what has been idle for long. Returns when to look again. */
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
      if (now >= entry.expiresAt) {
        stock.end(entry, 'lifetime')
        spare--
      } else if (now >= idleUntil && spare > 0) {
        stock.end(entry, 'idle')
        spare--
      } else if (now >= proveAt) stock.validate(entry, 'keepalive')
      else {
        dueAt = Math.min(dueAt, entry.expiresAt, proveAt)
        // At `min` it stays idle until there are more resources again, which causes another look.
        if (now < idleUntil) dueAt = Math.min(dueAt, idleUntil)
      }
    }
    return dueAt
  }

  #lookForLeaks(now: number): number {
    let dueAt = Infinity
    for (const entry of this.stock.entries) {
      const { generation, lentAt, lentTo, state } = entry
      if (state !== 'lent' || lentTo === undefined) continue
      const leakAt = lentAt + lentTo.leakMillis
      if (now >= leakAt) {
        entry.lentTo = REPORTED
        const { stack } = lentTo
        const leak = { generation: generation.number, heldMillis: now - lentAt, stack }
        this.context.telemetry.emit('leak', leak)
      } else dueAt = Math.min(dueAt, leakAt)
    }
    return dueAt
  }
}
