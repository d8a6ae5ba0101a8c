/** Runs somebody else's function. What it throws is an uncaught exception, and no concern of the caller. */
export function runApart(run: () => void): void {
  try {
    run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
