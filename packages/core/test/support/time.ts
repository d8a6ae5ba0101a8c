import { afterEach, beforeEach, vi } from 'vitest'

/** Gives every test of a file fake clocks, which only `pass` moves. */
export function useFakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
    })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
}

/** Moves both clocks forward by some milliseconds, and runs everything that becomes due. */
export async function pass(millis: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(millis)
  await settled()
}

/** Waits until no microtask is left. Works under fake time. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Waits for a number of rounds of microtasks. */
export async function microtasks(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await Promise.resolve()
}

/** The state of a promise, without waiting for it. */
export type Outcome<T> =
  | { readonly state: 'pending' }
  | { readonly state: 'fulfilled'; readonly value: T }
  | { readonly state: 'rejected'; readonly error: unknown }

/** Follows the state of a promise. Marks a rejection as handled. */
export function follow<T>(promise: Promise<T>): { readonly outcome: Outcome<T> } {
  const followed: { outcome: Outcome<T> } = { outcome: { state: 'pending' } }
  promise.then(
    (value) => {
      followed.outcome = { state: 'fulfilled', value }
    },
    (error: unknown) => {
      followed.outcome = { state: 'rejected', error }
    },
  )
  return followed
}

/** Returns the error of a promise that must reject. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('It should have been rejected.')
    },
    (error: unknown) => error,
  )
}
