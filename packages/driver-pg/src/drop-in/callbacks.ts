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

/**
 * Returns a promise of the class that the user has set by the option `Promise`. If `isReported` says that an error was reported in
 * another way, nobody has to handle the rejection.
 */
export function inPromiseOf<T>(
  Promise: PromiseConstructor,
  outcome: Promise<T>,
  isReported?: (error: unknown) => boolean,
): Promise<T> {
  if (Promise === globalThis.Promise && isReported === undefined) return outcome
  const promise = new Promise<T>((resolve, reject) => {
    outcome.then(resolve, (error: unknown) => {
      if (isReported?.(error) === true) promise.then(undefined, () => undefined)
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- it is the error of `outcome`
      reject(error)
    })
  })
  return promise
}

/** An error of the user's own code, where nothing of the pool's may suffer from it. */
export function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
