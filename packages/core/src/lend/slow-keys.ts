import type { EventLoop } from './event-loop.ts'

/** How many slow keys are remembered. */
const MOST_KEYS = 1_000
/** Each slow answer of a key is made up for by so many fast ones: it may have been slow because a machine was busy. */
const FAST_PER_SLOW = 32
/** A key is fast again after at most so many fast answers. */
const MOST_FAST = 1_000

/** Learns which requests are slow, by their keys. */
export class SlowKeys {
  readonly #slowMillis: number
  readonly #loop: Pick<EventLoop, 'busyMillis' | 'expectPoll'>
  /** The slow keys, and how many fast answers each still needs. */
  readonly #keys = new Map<string, number>()
  /** The time on the network: the shortest time between a request and its answer. It rises slowly, because the network may change. */
  #roundTrip = Infinity

  constructor(slowMillis: number, loop: Pick<EventLoop, 'busyMillis' | 'expectPoll'>) {
    this.#slowMillis = slowMillis
    this.#loop = loop
  }

  /** An answer cannot take longer on the network than this. */
  limitRoundTrip(millis: number): void {
    this.#roundTrip = Math.min(this.#roundTrip, millis)
  }

  has(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(key)
  }

  /** An answer has come after this time. */
  travelled(millis: number): void {
    if (millis < this.#roundTrip) this.#roundTrip = millis
    else this.#roundTrip = this.#roundTrip * 1.001 + 0.001
  }

  /** A request is sent. */
  sent(): void {
    this.#loop.expectPoll()
  }

  /** A request is answered. Before `freeAt`, its resource was busy with other ones. */
  answered(key: string, sentAt: number, freeAt: number, now: number): void {
    const servedMillis = now - Math.max(sentAt + this.#roundTrip, freeAt)
    if (servedMillis <= this.#slowMillis) {
      if (this.#keys.size > 0) this.#forgive(key)
    } else if (servedMillis - this.#loop.busyMillis(now) > this.#slowMillis) this.#add(key)
    this.#loop.expectPoll()
  }

  #add(key: string): void {
    const missing = Math.min((this.#keys.get(key) ?? 0) + FAST_PER_SLOW, MOST_FAST)
    // At the end of the map: the others are older.
    this.#keys.delete(key)
    this.#keys.set(key, missing)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > MOST_KEYS && oldest !== undefined) this.#keys.delete(oldest)
  }

  #forgive(key: string): void {
    const missing = this.#keys.get(key)
    if (missing === undefined) return
    if (missing > 1) this.#keys.set(key, missing - 1)
    else this.#keys.delete(key)
  }
}
