import type { Context } from '../context/context.ts'
import { LinkedList } from '../tools/list.ts'
import type { Entry } from './entry.ts'
import type { Hooks } from './hooks.ts'

/**
 * A resource that has been idle for longer is lent only after the event loop has polled. A blocked loop may not have noticed its end.
 * HikariCP validates after the same time.
 */
const FRESH_MILLIS = 500

/** The idle resources, in the order in which they came back, and whether they can be trusted to work. */
export class Idle<R extends object> extends LinkedList<Entry<R>> {
  readonly #fifo: boolean
  /** The idle time after which a resource is validated before it is lent. */
  readonly #trustMillis: number
  readonly #freshMillis: number
  /** Whether `takeFresh` reads the clock. */
  readonly readsClock: boolean
  readonly #asks: boolean
  /** How often the event loop is known to have polled. */
  #polls = 0
  #pollExpected = false

  constructor(
    private readonly context: Context<R>,
    private readonly hooks: Hooks<R>,
  ) {
    super()
    const { validateAfterIdleMillis: trust, fifo } = context.options
    this.#fifo = fifo
    this.#trustMillis = context.driver.validate === undefined ? Infinity : trust > 0 ? trust : -1
    this.readsClock = this.#trustMillis !== Infinity
    this.#freshMillis = Math.min(this.#trustMillis, FRESH_MILLIS)
    this.#asks = context.driver.isUsable !== undefined
  }

  get upNext(): Entry<R> | undefined {
    return this.#fifo ? this.first : this.last
  }

  /** Removes and returns the resource to be lent next, unless it must be tested first or has ended. */
  takeFresh(): Entry<R> | undefined {
    const entry = this.upNext
    if (entry === undefined) return undefined
    if (this.readsClock) {
      const { clock } = this.context
      clock.look()
      if (entry.reading !== clock.readings && this.#idleMillis(entry) > this.#freshMillis)
        return undefined
    }
    if (this.#asks && !this.#isUsable(entry)) return undefined
    this.remove(entry)
    return entry
  }

  /** The hook may have used the pool, which may have lent or ended the resource. */
  #isUsable(entry: Entry<R>): boolean {
    return this.hooks.isUsable(entry) && entry.state === 'idle'
  }

  /** Returns the time since it was known to work, by the clock that has advanced further. */
  #idleMillis({ trustedAt, trustedAtWall }: Entry<R>): number {
    const { wall, monotonic } = this.context.clock
    return Math.max(wall - trustedAtWall, monotonic - trustedAt)
  }

  /** Whether a resource must be validated, because its end may not have been noticed. */
  mayBeDead(entry: Entry<R>): boolean {
    const idleMillis = this.#idleMillis(entry)
    if (idleMillis > this.#trustMillis) return true
    // The event loop has been blocked ever since it became idle.
    return idleMillis > this.#freshMillis && entry.polls === this.#polls
  }

  /** Adds a released resource, or puts one back that was tested and that no caller waits for. */
  layDown(entry: Entry<R>): void {
    entry.state = 'idle'
    if (entry.test !== 'poll') this.#trust(entry)
    if (entry.test !== undefined) return this.#putBack(entry)
    entry.idleSince = entry.trustedAt
    if (this.#freshMillis >= 0) entry.reading = this.context.clock.readings
    return this.push(entry)
  }

  /** Adds a resource that was already idle at the present reading of the clock. */
  layDownAgain(entry: Entry<R>): void {
    entry.state = 'idle'
    this.push(entry)
  }

  #trust(entry: Entry<R>): void {
    const { clock } = this.context
    entry.trustedAt = clock.monotonic
    entry.trustedAtWall = clock.wall
    entry.polls = this.#polls
    if (!this.#pollExpected) this.#expectPoll()
  }

  #putBack(entry: Entry<R>): void {
    let next = this.first
    while (next !== undefined && next.idleSince <= entry.idleSince) next = next.next
    this.insert(entry, next)
    entry.test = undefined
    entry.reading = -1
  }

  /** Has all idle resources validated before they are lent. */
  distrust(): void {
    for (const entry of this.members()) {
      entry.trustedAtWall = -Infinity
      entry.reading = -1
    }
  }

  #expectPoll(): void {
    this.#pollExpected = true
    setImmediate(this.#polled).unref()
  }

  readonly #polled = (): void => {
    this.#pollExpected = false
    this.#polls++
  }
}
