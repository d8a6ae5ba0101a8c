/** How many slow keys are remembered. */
const MOST_KEYS = 1_000
/** A key is forgotten after so many fast answers in a row: it may have been slow because this process was. */
const FAST_ANSWERS = 1_000

/** Learns which requests are slow, by their keys. */
export class SlowKeys {
  readonly #slowMillis: number
  /** The slow keys, and how many fast answers they have had since. */
  readonly #keys = new Map<string, number>()
  /** The time on the network: the shortest time between a request and its answer. It rises slowly, because the network may change. */
  #roundTrip = Infinity

  constructor(slowMillis: number) {
    this.#slowMillis = slowMillis
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

  /** A request is answered. Before `freeAt`, its resource was busy with other ones. */
  answered(key: string, sentAt: number, freeAt: number, now: number): void {
    const servedMillis = now - Math.max(sentAt + this.#roundTrip, freeAt)
    if (servedMillis > this.#slowMillis) this.#add(key)
    else if (this.#keys.size > 0) this.#forgive(key)
  }

  #add(key: string): void {
    // At the end of the map: the others are older.
    this.#keys.delete(key)
    this.#keys.set(key, 0)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > MOST_KEYS && oldest !== undefined) this.#keys.delete(oldest)
  }

  #forgive(key: string): void {
    const fast = this.#keys.get(key)
    if (fast === undefined) return
    if (fast + 1 >= FAST_ANSWERS) this.#keys.delete(key)
    else this.#keys.set(key, fast + 1)
  }
}
