import { priorityOrders } from './jobs/priorities.ts'
import { interval, type Spread } from './measure/statistics.ts'
import type { Results } from './results.ts'
import { coldStartCallers } from './scenarios/cold-start.ts'
import { callerCounts } from './scenarios/queries.ts'
import { isMeasured, type Row } from './scenarios/result.ts'
import { stormKinds, stormTitles } from './scenarios/storm.ts'

/** A promise of speed, and what came of it. */
export interface Verdict {
  readonly target: string
  readonly limit: string
  /** The median of all rounds, of the ratios or of the values; without it, `outcome` is `not measured`. */
  readonly measured?: number
  /** Where it may lie, by the launches; `undefined` where there were too few to tell. */
  readonly interval?: Spread['quartiles'] | undefined
  /** `tie`: the limit lies in the interval, so that the other half of the launches says otherwise. */
  readonly outcome: 'ok' | 'tie' | 'missed' | 'not measured'
}

interface Target {
  readonly target: string
  readonly bound: 'at most' | 'at least'
  readonly limit: number
  /** The unit of a limit for the values; without one, the limit is for the ratios. */
  readonly unit?: string
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
  ...(['forksafe', 'drop-in'] as const).map((peer): Target => ({
    target: `${peer}: the latency of a quiet service, to pg.Pool`,
    bound: 'at most',
    limit: 1.1,
    row: ({ quiet }) => quiet?.[peer],
  })),
  ...coldStartCallers.flatMap((callers): Target[] => [
    {
      target: `forksafe: cold start of ${callers} callers, to no maxConnecting`,
      bound: 'at most',
      limit: 1,
      row: ({ coldStart }) => coldStart?.toUnlimited[callers].forksafe,
    },
    {
      target: `forksafe: cold start of ${callers} callers, to pg.Pool`,
      bound: 'at most',
      limit: 1,
      row: ({ coldStart }) => coldStart?.toPgPool[callers].forksafe,
    },
  ]),
  ...stormKinds.map((kind): Target => ({
    target: `core: ${stormTitles[kind]}`,
    bound: 'at most',
    limit: 30,
    unit: 'ms',
    row: ({ storm }) => storm?.blocked[kind]['core'],
  })),
  ...priorityOrders
    .filter((order) => order !== 'one priority')
    .map((order): Target => ({
      target: `core: 40,000 waits with priorities, ${order}, to one priority`,
      bound: 'at most',
      limit: 3,
      row: ({ storm }) => storm?.priorities[order],
    })),
]

export function judge(results: Results): Verdict[] {
  return targets.map((target) => verdictOn(target, target.row(results)))
}

function verdictOn({ target, bound, limit: bounds, unit }: Target, row: Row | undefined): Verdict {
  const limit = unit === undefined ? `${bound} ${bounds.toFixed(2)}` : `${bound} ${bounds} ${unit}`
  if (!isMeasured(row)) return { target, limit, outcome: 'not measured' }
  const measured = unit === undefined ? row.ratio.median : row.median
  // To the two places that are shown.
  const meets = (value: number): boolean => {
    const shown = Number(value.toFixed(2))
    return bound === 'at most' ? shown <= bounds : shown >= bounds
  }
  const range = interval(unit === undefined ? row.byLaunch : row.medianByLaunch)
  const outcome = meets(measured) ? 'ok' : range?.some(meets) ? 'tie' : 'missed'
  return { target, limit, measured, interval: range, outcome }
}
