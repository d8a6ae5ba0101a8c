/** The number of operations of a run, and its duration. */
export interface Run {
  readonly count: number
  readonly millis: number
  /** The processor time of all threads of the process. Other programs on the machine hardly affect it. */
  readonly processorMillis: number
}

/** Runs `work(count)` for a given time. Learns from each run which `count` fills that time. */
export class Pace {
  readonly #work: (count: number) => Promise<void>
  readonly #atLeast: number
  #perMilli = 0

  /** The count is a multiple of `atLeast`, and at least that. */
  constructor(work: (count: number) => Promise<void>, atLeast: number) {
    this.#work = work
    this.#atLeast = atLeast
  }

  /** Runs `work` with growing counts until the code is fully compiled. */
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
