import type { Spread } from '../measure/statistics.ts'

/** Formats a number, such as `12,345`, with the given number of decimal places. */
export function figure(value: number, places = 0): string {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
}

/** Formats the quartiles, such as `12 - 15`. */
export function between(
  { quartiles: [lower, upper] }: Pick<Spread, 'quartiles'>,
  places = 0,
): string {
  return `${figure(lower, places)} - ${figure(upper, places)}`
}
