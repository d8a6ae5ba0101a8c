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

/** This number of steps takes a few milliseconds at most, even if each of them creates an error with a stack. */
const STEPS = 64

/** Calls `step` until it returns `false`. After 64 calls, the event loop turns before the next ones. */
export function inSlices(step: () => boolean): void {
  for (let steps = 0; steps < STEPS; steps++) if (!step()) return
  setImmediate(inSlices, step)
}
