/** The longest delay of Node's timers. A longer time is no limit. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** A timer that `clear` ends. */
export interface Timer {
  clear(): void
}

/**
 * Calls `run` after `millis`, or never if that is beyond Node's timers. The event loop polls once more before the call: if it
 * was blocked, or the process was frozen, an answer that has arrived meanwhile is seen first.
 */
export function startTimer(run: () => void, millis: number): Timer {
  let immediate: NodeJS.Immediate | undefined
  const timeout =
    millis > LONGEST_TIMER
      ? undefined
      : setTimeout(() => {
          immediate = setImmediate(run)
        }, millis)
  return {
    clear() {
      clearTimeout(timeout)
      clearImmediate(immediate)
    },
  }
}
