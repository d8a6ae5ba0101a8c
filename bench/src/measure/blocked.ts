/** Measures how long the event loop is blocked: the duration of its longest turn. */
export class BlockedLoop {
  #longestMillis = 0
  #longestProcessorMicros = 0
  #at = performance.now()
  #processor = process.cpuUsage()
  #next = setImmediate(() => this.#turn())

  #turn(): void {
    this.#look()
    this.#next = setImmediate(() => this.#turn())
  }

  #look(): void {
    const now = performance.now()
    this.#longestMillis = Math.max(this.#longestMillis, now - this.#at)
    this.#at = now
    const { user, system } = process.cpuUsage(this.#processor)
    this.#longestProcessorMicros = Math.max(this.#longestProcessorMicros, user + system)
    this.#processor = process.cpuUsage()
  }

  /**
   * Returns the duration of the longest turn, including the current one, and the maximum processor time of a turn, in all threads
   * of the process.
   */
  stop(): { readonly millis: number; readonly processorMicros: number } {
    this.#look()
    clearImmediate(this.#next)
    return { millis: this.#longestMillis, processorMicros: this.#longestProcessorMicros }
  }
}
