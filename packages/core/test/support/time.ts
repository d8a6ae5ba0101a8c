import { afterEach, beforeEach, vi } from 'vitest'

/** Gives every test of a file clocks that stand still until `pass` moves them. */
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

/** Lets so many milliseconds pass, by both clocks, and everything that becomes due in them happen. */
export async function pass(millis: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(millis)
  await settled()
}

/** Waits until no promise has anything left to do. Works under fake time. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** Lets so many rounds of microtasks pass. */
export async function microtasks(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await Promise.resolve()
}

/** What a promise has come to, without waiting for it. */
export type Outcome<T> =
  | { readonly state: 'pending' }
  | { readonly state: 'fulfilled'; readonly value: T }
  | { readonly state: 'rejected'; readonly error: unknown }

/** Follows a promise. A rejection counts as handled. */
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

/** The error of a promise that must reject. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('It should have been rejected.')
    },
    (error: unknown) => error,
  )
}
