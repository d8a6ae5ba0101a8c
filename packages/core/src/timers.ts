/** The longest that Node's timers can run; what is asked for beyond it is no limit. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** A timer that may be asked for `Infinity`: then there is none. */
export function startTimer(run: () => void, millis: number): NodeJS.Timeout | undefined {
  return millis > LONGEST_TIMER ? undefined : setTimeout(run, millis)
}
