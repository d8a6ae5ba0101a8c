/** Measures for how long the event loop is blocked: the longest that one turn of it takes. */
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
   * Returns the time of the longest turn, this one included, and the most processor time that one turn took, by all threads of
   * the process.
   */
  stop(): { readonly millis: number; readonly processorMicros: number } {
    this.#look()
    clearImmediate(this.#next)
    return { millis: this.#longestMillis, processorMicros: this.#longestProcessorMicros }
  }
}
