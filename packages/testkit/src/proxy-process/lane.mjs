/** @import { Socket } from 'node:net' */

/** One direction of one connection. Forwards what arrives, in order, unless it is held or delayed. */
export class Lane {
  /** @type {{ bytes: Buffer | undefined, due: number }[]} */
  #queue = []
  #held = false
  #delayMillis = 0
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #to

  /** @param {Socket} to */
  constructor(to) {
    this.#to = to
  }

  /** @param {Buffer | undefined} bytes `undefined` for a FIN */
  pass(bytes) {
    this.#queue.push({ bytes, due: performance.now() + this.#delayMillis })
    this.#pump()
  }

  /** @param {boolean} held */
  hold(held) {
    this.#held = held
    this.#pump()
  }

  /** @param {number} millis for what arrives from now on */
  delay(millis) {
    this.#delayMillis = millis
  }

  /** Forwards what has arrived, held or not. */
  flush() {
    const held = this.#held
    this.hold(false)
    this.hold(held)
  }

  drop() {
    this.#queue = []
    clearTimeout(this.#timer)
  }

  #pump() {
    clearTimeout(this.#timer)
    if (this.#held) return
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const wait = next.due - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(wait))
        return
      }
      this.#queue.shift()
      if (next.bytes === undefined) this.#to.end()
      else if (this.#to.writable) this.#to.write(next.bytes)
    }
  }
}
