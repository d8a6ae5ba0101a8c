/** The results of repeated calls. */
export interface Load {
  readonly answers: number
  readonly errors: Error[]
  /** The longest call, in milliseconds. */
  readonly slowest: number
}

/** Calls `ask` repeatedly from that many concurrent callers until `end` is called. */
export function startLoad(callers: number, ask: () => Promise<unknown>): { end(): Promise<Load> } {
  let answers = 0
  let slowest = 0
  const load = { ended: false }
  const errors: Error[] = []
  const call = async (): Promise<void> => {
    while (!load.ended) {
      const started = performance.now()
      try {
        await ask()
        answers++
      } catch (error) {
        errors.push(error as Error)
      }
      slowest = Math.max(slowest, performance.now() - started)
      // Leaves some processor time to the server.
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const all = Promise.all(Array.from({ length: callers }, call))
  return {
    async end() {
      load.ended = true
      await all
      return { answers, errors, slowest }
    },
  }
}
