import type { Spread } from '../measure/statistics.ts'

/** As in `12,345`, or with as many places behind the point. */
export function figure(value: number, places = 0): string {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
}

/** The quartiles, as in `12 - 15`. */
export function between(
  { quartiles: [lower, upper] }: Pick<Spread, 'quartiles'>,
  places = 0,
): string {
  return `${figure(lower, places)} - ${figure(upper, places)}`
}
