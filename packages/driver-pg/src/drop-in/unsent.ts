import type { Outage } from '@forksafe/core/methods'

/** The shared statements that wait to be sent. An outage rejects them, but none that is sent already. */
export class Unsent {
  readonly #outage: Pick<Outage, 'signal'>
  readonly #unsent = new Set<AbortController>()
  #watched: AbortSignal | undefined

  constructor(outage: Pick<Outage, 'signal'>) {
    this.#outage = outage
  }

  /** Returns what aborts with the outage's signal, until `remove` is called with it. */
  add(): AbortController {
    this.#watch(this.#outage.signal)
    const one = new AbortController()
    this.#unsent.add(one)
    return one
  }

  remove(one: AbortController): void {
    this.#unsent.delete(one)
  }

  /** The outage has another signal after each failed connect. */
  #watch(signal: AbortSignal): void {
    if (this.#watched === signal) return
    this.#watched = signal
    const abort = (): void => {
      const unsent = [...this.#unsent]
      this.#unsent.clear()
      for (const one of unsent) one.abort(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
  }
}
