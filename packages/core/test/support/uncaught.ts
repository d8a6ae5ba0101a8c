/** Returns the next uncaught error, which is hidden from the test runner. */
export async function nextUncaught(): Promise<unknown> {
  let noted: (error: unknown) => void = () => undefined
  const next = new Promise((resolve) => {
    noted = resolve
  })
  const giveBack = take('uncaughtException', noted)
  try {
    return await next
  } finally {
    giveBack()
  }
}

/** Returns the uncaught errors while `run` runs, which are hidden from the test runner. */
export function uncaughtIn(run: () => Promise<void>): Promise<unknown[]> {
  return takenIn('uncaughtException', run)
}

/** Returns the unhandled rejections while `run` runs, which are hidden from the test runner. */
export function unhandledIn(run: () => Promise<void>): Promise<unknown[]> {
  return takenIn('unhandledRejection', run)
}

type Event = 'uncaughtException' | 'unhandledRejection'

async function takenIn(event: Event, run: () => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = []
  const giveBack = take(event, (error) => errors.push(error))
  try {
    await run()
    // Node reports them after the microtasks.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  } finally {
    giveBack()
  }
  return errors
}

/** Replaces all listeners by one. Returns a function that restores them. */
function take(event: Event, listener: (error: unknown) => void): () => void {
  const others = process.rawListeners(event) as ((error: unknown) => void)[]
  process.removeAllListeners(event)
  process.on(event, listener)
  return () => {
    process.off(event, listener)
    for (const other of others) process.on(event, other)
  }
}
