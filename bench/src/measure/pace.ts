/** How much was done in how long. */
export interface Run {
  readonly count: number
  readonly millis: number
  /** Of the processor, by all threads of the process: what else runs on the machine hardly changes it. */
  readonly processorMillis: number
}

/** Runs `work(count)` with as many as fill a given time, which it learns from one run to the next. */
export class Pace {
  readonly #work: (count: number) => Promise<void>
  readonly #atLeast: number
  #perMilli = 0

  /** A count is never below `atLeast`, and a multiple of it. */
  constructor(work: (count: number) => Promise<void>, atLeast: number) {
    this.#work = work
    this.#atLeast = atLeast
  }

  /** Until the code is compiled for good: longer and longer runs. */
  async warmUp(millis: number): Promise<void> {
    const until = performance.now() + millis
    for (let slice = 1; performance.now() < until; slice = Math.min(slice * 2, millis / 8)) {
      await this.run(slice)
    }
  }

  async run(millis: number): Promise<Run> {
    const parts = Math.max(1, Math.round((this.#perMilli * millis) / this.#atLeast))
    const count = parts * this.#atLeast
    const processor = process.cpuUsage()
    const started = performance.now()
    await this.#work(count)
    const took = performance.now() - started
    const { user, system } = process.cpuUsage(processor)
    this.#perMilli = count / took
    return { count, millis: took, processorMillis: (user + system) / 1000 }
  }
}
