/** The next error that nobody catches, kept from the test runner. */
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

/** The errors that nobody catches while `run` runs, kept from the test runner. */
export function uncaughtIn(run: () => Promise<void>): Promise<unknown[]> {
  return takenIn('uncaughtException', run)
}

/** The rejections that nobody handles while `run` runs, kept from the test runner. */
export function unhandledIn(run: () => Promise<void>): Promise<unknown[]> {
  return takenIn('unhandledRejection', run)
}

type Event = 'uncaughtException' | 'unhandledRejection'

async function takenIn(event: Event, run: () => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = []
  const giveBack = take(event, (error) => errors.push(error))
  try {
    await run()
    // They are told of once the microtasks are done.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  } finally {
    giveBack()
  }
  return errors
}

/** Puts one listener in the place of all others, until what it returns is called. */
function take(event: Event, listener: (error: unknown) => void): () => void {
  const others = process.rawListeners(event) as ((error: unknown) => void)[]
  process.removeAllListeners(event)
  process.on(event, listener)
  return () => {
    process.off(event, listener)
    for (const other of others) process.on(event, other)
  }
}
