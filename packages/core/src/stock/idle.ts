import type { Context } from '../context/context.ts'
import { LinkedList } from '../tools/list.ts'
import type { Entry } from './entry.ts'
import type { Hooks } from './hooks.ts'

/**
 * A resource that has been idle for longer is lent only after the event loop has polled: if the loop was blocked, it has not
 * heard the end of the resource yet. This is HikariCP's limit, which validates then.
 */
const FRESH_MILLIS = 500

/** The idle resources, in the order in which they came back, and whether they can be trusted to work. */
export class Idle<R extends object> extends LinkedList<Entry<R>> {
  readonly #fifo: boolean
  /** A resource that has been idle for longer is validated before it is lent. */
  readonly #trustMillis: number
  readonly #freshMillis: number
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
    this.#freshMillis = Math.min(this.#trustMillis, FRESH_MILLIS)
    this.#asks = context.driver.isUsable !== undefined
  }

  /** The resource to be lent next. */
  get upNext(): Entry<R> | undefined {
    return this.#fifo ? this.first : this.last
  }

  /** Removes and returns the resource to be lent next, unless it must be tested first or has ended. */
  takeFresh(): Entry<R> | undefined {
    const entry = this.upNext
    if (entry === undefined) return undefined
    if (this.#trustMillis !== Infinity) {
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

  /** For how long it has not been known to work, by the clock that has advanced further. */
  #idleMillis({ trustedAt, trustedAtWall }: Entry<R>): number {
    const { wall, monotonic } = this.context.clock
    return Math.max(wall - trustedAtWall, monotonic - trustedAt)
  }

  /** Whether `takeFresh` reads the clock. */
  get readsClock(): boolean {
    return this.#trustMillis !== Infinity
  }

  /** Whether only the driver can tell if a resource still works, because its end may not have been heard. */
  mayBeDead(entry: Entry<R>): boolean {
    const idleMillis = this.#idleMillis(entry)
    if (idleMillis > this.#trustMillis) return true
    // The event loop has been blocked ever since it became idle.
    return idleMillis > this.#freshMillis && entry.polls === this.#polls
  }

  /** Adds a resource that has come back, or puts one back that was tested for its own sake. */
  layDown(entry: Entry<R>): void {
    entry.state = 'idle'
    if (entry.test !== 'poll') this.#trust(entry)
    if (entry.test !== undefined) return this.#putBack(entry)
    entry.idleSince = entry.trustedAt
    if (this.#freshMillis >= 0) entry.reading = this.context.clock.readings
    return this.push(entry)
  }

  /** Adds a resource that was idle before at the present reading of the clock. */
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

  /** Trusts no resource any more that is idle now. */
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
