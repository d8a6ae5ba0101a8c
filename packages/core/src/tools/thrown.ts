import { types } from 'node:util'
import { kindOf } from './rules.ts'

/** Thrown values that are not errors, by the errors that are shown in their place. */
const originals = new WeakMap<Error, unknown>()

/** Whether a value is an error, of any realm. */
function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error
}

/**
 * Returns a thrown value as an error. Any other value may be a configuration with a password, so the returned error names only its
 * kind.
 */
export function errorFor(thrown: unknown): Error {
  if (isError(thrown)) return thrown
  const error = new TypeError(`Expected an error to be thrown, got ${kindOf(thrown)}.`)
  originals.set(error, thrown)
  return error
}

/** Returns the value that `errorFor` was given. */
export function thrownAs(error: unknown): unknown {
  return originals.has(error as Error) ? originals.get(error as Error) : error
}

/**
 * Sets the `cause` of an error. If the cause is not an error, it may be a configuration with a password: then `cause` is a getter,
 * whose value is not printed with the error.
 */
export function setCause(error: Error, cause: unknown): void {
  const property = isError(cause) ? { value: cause, writable: true } : { get: () => cause }
  Object.defineProperty(error, 'cause', { ...property, configurable: true, enumerable: false })
}
