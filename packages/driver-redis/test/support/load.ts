/** What callers have seen who ask again and again. */
export interface Load {
  readonly answers: number
  readonly errors: Error[]
  /** How long the slowest of them has waited, in milliseconds. */
  readonly slowest: number
}

/** Asks with that many callers at once, each again as soon as it has an answer or an error, until `end` is called. */
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
      // The server has other things to do as well.
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
