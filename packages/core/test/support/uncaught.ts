/** The next error that nobody catches, kept from the test runner. */
export function nextUncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener)
      resolve(error)
    })
  })
}

/** The rejections that nobody handles while `run` runs, kept from the test runner. */
export async function unhandledIn(run: () => Promise<void>): Promise<unknown[]> {
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const unhandled: unknown[] = []
  const note = (error: unknown): void => {
    unhandled.push(error)
  }
  process.on('unhandledRejection', note)
  try {
    await run()
    // They are told of once the microtasks are done.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  } finally {
    process.off('unhandledRejection', note)
    for (const listener of listeners) process.on('unhandledRejection', listener)
  }
  return unhandled
}
