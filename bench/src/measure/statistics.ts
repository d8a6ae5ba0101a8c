/** The median and the quartiles of some measurements. */
export interface Spread {
  readonly median: number
  /** The bounds of the middle half: a quarter of the measurements lies below, a quarter above. */
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
 * Returns a confidence interval of 98 % for the median over launches: from the second lowest to the second highest of about ten.
 * Returns `undefined` for fewer than eight launches.
 */
export function interval(launches: readonly number[]): Spread['quartiles'] | undefined {
  const sorted = [...launches].sort((a, b) => a - b)
  const [lower, upper] = [sorted.at(1), sorted.at(-2)]
  if (sorted.length < 8 || lower === undefined || upper === undefined) return undefined
  return [lower, upper]
}

/** Interpolates linearly between measurements. */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share
  const lower = sorted[Math.floor(position)] ?? Number.NaN
  const upper = sorted[Math.ceil(position)] ?? Number.NaN
  return lower + (upper - lower) * (position % 1)
}

/**
 * Returns the ratio of `values` to `base`, taken round by round. A disturbance that slows a whole round down does not change its
 * ratio, so ratios remain valid on a busy machine, where medians do not.
 */
export function ratio(values: readonly number[], base: readonly number[]): Spread {
  return spread(values.map((value, round) => value / (base[round] ?? Number.NaN)))
}
