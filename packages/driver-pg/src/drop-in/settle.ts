/** Settles a promise by callback, as pg-pool does: an error that the callback throws is uncaught, and no rejection. */
export function settleBy<T>(
  outcome: Promise<T>,
  callback: (error: Error | undefined, ...result: never[]) => void,
  resultOf: (value: T) => readonly unknown[],
  onError: readonly unknown[] = [],
): void {
  const call = callback as (...outcome: unknown[]) => void
  outcome.then(
    (value) => process.nextTick(call, undefined, ...resultOf(value)),
    (error: unknown) => process.nextTick(call, error, ...onError),
  )
}

/** The promise that the user asked for by the option `Promise`, in place of Node's. */
export function inPromiseOf<T>(Promise: PromiseConstructor, outcome: Promise<T>): Promise<T> {
  if (Promise === globalThis.Promise) return outcome
  return new Promise((resolve, reject) => void outcome.then(resolve, reject))
}

/** An error of the user's own code, where nothing of the pool's may suffer from it. */
export function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
