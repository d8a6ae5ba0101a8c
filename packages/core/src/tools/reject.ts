/**
 * Rejects a promise with the result of `create`. V8 appends the frames of the awaiting async functions to an error only if it is
 * created in a reaction that leads to the promise they await. `resolve` and `reject` are the functions of that promise.
 */
export function rejectWith<T>(
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
  create: () => unknown,
): void {
  void Promise.resolve()
    .then((): T => {
      throw create()
    })
    .then(resolve, reject)
}
