import { interval, type Spread } from './measure/statistics.ts'
import type { Results } from './results.ts'
import { callerCounts } from './scenarios/queries.ts'
import { isMeasured, type Row } from './scenarios/result.ts'

/** A promise of speed, and what came of it. */
export interface Verdict {
  readonly target: string
  readonly limit: string
  /** The median of the ratios of all rounds; without it, `outcome` is `not measured`. */
  readonly ratio?: number
  /** Where it may lie, by the launches; `undefined` where there were too few to tell. */
  readonly interval?: Spread['quartiles'] | undefined
  /** `tie`: the limit lies in the interval, so that the other half of the launches says otherwise. */
  readonly outcome: 'ok' | 'tie' | 'missed' | 'not measured'
}

interface Target {
  readonly target: string
  readonly bound: 'at most' | 'at least'
  readonly limit: number
  readonly row: (results: Results) => Row | undefined
}

const targets: readonly Target[] = [
  {
    target: 'core, page: acquire and release, to generic-pool',
    bound: 'at most',
    limit: 0.25,
    row: ({ lending }) => lending?.solo.core,
  },
  {
    target: 'core, without koffi: acquire and release, to generic-pool',
    bound: 'at most',
    limit: 0.8,
    row: ({ lending }) => lending?.solo['core-without-koffi'],
  },
  {
    target: 'core, page: 100 callers over 10, to generic-pool',
    bound: 'at most',
    limit: 0.35,
    row: ({ lending }) => lending?.crowd.core,
  },
  {
    target: 'core, without koffi: 100 callers over 10, to generic-pool',
    bound: 'at most',
    limit: 0.8,
    row: ({ lending }) => lending?.crowd['core-without-koffi'],
  },
  ...(['forksafe', 'drop-in'] as const).flatMap((peer) =>
    callerCounts.map((callers): Target => ({
      target: `${peer}: queries a second of ${callers} callers, to pg.Pool`,
      bound: 'at least',
      limit: 1,
      row: ({ queries }) => queries?.[callers][peer],
    })),
  ),
]

export function judge(results: Results): Verdict[] {
  return targets.map((target) => verdictOn(target, target.row(results)))
}

function verdictOn({ target, bound, limit: bounds }: Target, row: Row | undefined): Verdict {
  const limit = `${bound} ${bounds.toFixed(2)}`
  if (!isMeasured(row)) return { target, limit, outcome: 'not measured' }
  const ratio = row.ratio.median
  // To the two places that are shown.
  const meets = (value: number): boolean => {
    const shown = Number(value.toFixed(2))
    return bound === 'at most' ? shown <= bounds : shown >= bounds
  }
  const range = interval(row.byLaunch)
  const outcome = meets(ratio) ? 'ok' : range?.some(meets) ? 'tie' : 'missed'
  return { target, limit, ratio, interval: range, outcome }
}
