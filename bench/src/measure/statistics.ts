/** The middle of some measurements, and the middle halves on both sides of it. */
export interface Spread {
  readonly median: number
  /** A quarter of the measurements lies below, a quarter above. */
  readonly quartiles: readonly [lower: number, upper: number]
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
  }
}

/**
 * Where the median of all launches there could be lies, with all but 2 in 100: from the second least to the second
 * greatest, of ten or so. `undefined` for fewer than eight.
 */
export function interval(launches: readonly number[]): Spread['quartiles'] | undefined {
  const sorted = [...launches].sort((a, b) => a - b)
  const [lower, upper] = [sorted.at(1), sorted.at(-2)]
  if (sorted.length < 8 || lower === undefined || upper === undefined) return undefined
  return [lower, upper]
}

/** Between two measurements it lies where a straight line would. */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share
  const lower = sorted[Math.floor(position)] ?? Number.NaN
  const upper = sorted[Math.ceil(position)] ?? Number.NaN
  return lower + (upper - lower) * (position % 1)
}

/**
 * How much `values` is of `base`, round by round: what slows a whole round down leaves its ratio alone, so this holds on
 * a busy machine where the medians do not.
 */
export function ratio(values: readonly number[], base: readonly number[]): Spread {
  return spread(values.map((value, round) => value / (base[round] ?? Number.NaN)))
}
