/** Calls a foreign function. If it throws, its error becomes an uncaught exception. */
export function runApart(run: () => void): void {
  try {
    run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
