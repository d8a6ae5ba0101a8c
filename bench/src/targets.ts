import { priorityOrders } from './jobs/priorities.ts'
import { interval, type Spread } from './measure/statistics.ts'
import type { Results } from './results.ts'
import { coldStartCallers } from './scenarios/cold-start.ts'
import { callerCounts } from './scenarios/queries.ts'
import { isMeasured, type Row } from './scenarios/result.ts'
import { stormKinds, stormTitles } from './scenarios/storm.ts'

/** A target, and whether the run met it. */
export interface Verdict {
  readonly target: string
  readonly limit: string
  /** The median over all rounds, of the ratios or of the values. Absent if `outcome` is `not measured`. */
  readonly measured?: number
  /** The confidence interval of the median, by launch. `undefined` if there were too few launches. */
  readonly interval?: Spread['quartiles'] | undefined
  /**
   * `tie`: the median misses the limit, but the limit lies in the interval. `reported`: there is no limit, the figure is only
   * shown.
   */
  readonly outcome: 'ok' | 'tie' | 'missed' | 'reported' | 'not measured'
}

type Limit = readonly [bound: 'at most' | 'at least', value: number]

interface Target {
  readonly target: string
  /** The limit. Without one, the figure is only reported. */
  readonly limit?: Limit
  /** The unit, if the limit applies to the values. Without one, it applies to the ratios. */
  readonly unit?: string
  readonly row: (results: Results) => Row | undefined
}

const sharingLimits = [
  ['1 caller', 0.95],
  ['10 callers', 0.95],
  ['100 callers', 2.2],
  ['1,000 callers', 2.5],
  ['100 callers, unnamed', 2],
  ['100 callers, 1 ms of network', 5],
] as const

const targets: readonly Target[] = [
  {
    target: 'core, page: acquire and release, to generic-pool',
    limit: ['at most', 0.25],
    row: ({ lending }) => lending?.solo.core,
  },
  {
    target: 'core, without koffi: acquire and release, to generic-pool',
    limit: ['at most', 0.8],
    row: ({ lending }) => lending?.solo['core-without-koffi'],
  },
  {
    target: 'core, page: 100 callers over 10, to generic-pool',
    limit: ['at most', 0.35],
    row: ({ lending }) => lending?.crowd.core,
  },
  {
    target: 'core, without koffi: 100 callers over 10, to generic-pool',
    limit: ['at most', 0.8],
    row: ({ lending }) => lending?.crowd['core-without-koffi'],
  },
  {
    target: 'core, page: 100 callers over 10, with `await null`, to generic-pool',
    row: ({ lending }) => lending?.crowdWithWork.core,
  },
  {
    target: 'core, without koffi: 100 callers over 10, with `await null`, to generic-pool',
    row: ({ lending }) => lending?.crowdWithWork['core-without-koffi'],
  },
  ...(['solo', 'crowd', 'use'] as const).map((scenario): Target => ({
    target: `core, a driver that can share: ${scenario}, to one that cannot`,
    limit: ['at most', 1.1],
    row: ({ unshared }) => unshared?.[scenario]['core-sharing'],
  })),
  ...(['forksafe', 'drop-in'] as const).flatMap((peer) =>
    callerCounts.map((callers): Target => ({
      target: `${peer}: queries a second of ${callers} callers, to pg.Pool`,
      limit: ['at least', 1],
      row: ({ queries }) => queries?.[callers][peer],
    })),
  ),
  ...sharingLimits.map(([name, limit]): Target => ({
    target: `forksafe, shared: queries a second, ${name}, to pg.Pool`,
    limit: ['at least', limit],
    row: ({ sharing }) => sharing?.rates[name]['forksafe, shared'],
  })),
  {
    target: 'forksafe, shared: p99.9 of fast queries beside slow ones, to pg.Pool',
    limit: ['at most', 1.5],
    row: ({ sharing }) =>
      sharing?.latencies['fast beside slow, 3,000/s, p99.9']['forksafe, shared'],
  },
  ...(['forksafe', 'drop-in'] as const).map((peer): Target => ({
    target: `${peer}: the latency of a quiet service, to pg.Pool`,
    limit: ['at most', 1.1],
    row: ({ quiet }) => quiet?.[peer],
  })),
  ...coldStartCallers.flatMap((callers): Target[] => [
    {
      target: `forksafe: cold start of ${callers} callers, to no maxConnecting`,
      limit: ['at most', 1],
      row: ({ coldStart }) => coldStart?.toUnlimited[callers].forksafe,
    },
    {
      target: `forksafe: cold start of ${callers} callers, to pg.Pool`,
      limit: ['at most', 1],
      row: ({ coldStart }) => coldStart?.toPgPool[callers].forksafe,
    },
  ]),
  ...stormKinds.map((kind): Target => ({
    target: `core: ${stormTitles[kind]}`,
    limit: ['at most', 30],
    unit: 'ms',
    row: ({ storm }) => storm?.blocked[kind]['core'],
  })),
  ...priorityOrders
    .filter((order) => order !== 'one priority')
    .map((order): Target => ({
      target: `core: 40,000 waits with priorities, ${order}, to one priority`,
      row: ({ storm }) => storm?.priorities[order],
    })),
]

export function judge(results: Results): Verdict[] {
  return targets.map((target) => verdictOn(target, target.row(results)))
}

function verdictOn({ target, limit: bounds, unit }: Target, row: Row | undefined): Verdict {
  const limit = bounds === undefined ? '' : textOf(bounds, unit)
  if (!isMeasured(row)) return { target, limit, outcome: 'not measured' }
  const measured = unit === undefined ? row.ratio.median : row.median
  const range = interval(unit === undefined ? row.byLaunch : row.medianByLaunch)
  const verdict = { target, limit, measured, interval: range }
  if (bounds === undefined) return { ...verdict, outcome: 'reported' }
  const outcome = meets(bounds, measured)
    ? 'ok'
    : range?.some((value) => meets(bounds, value))
      ? 'tie'
      : 'missed'
  return { ...verdict, outcome }
}

function textOf([bound, value]: Limit, unit: string | undefined): string {
  return unit === undefined ? `${bound} ${value.toFixed(2)}` : `${bound} ${value} ${unit}`
}

function meets([bound, value]: Limit, measured: number): boolean {
  // Rounded to the two decimal places that are shown.
  const shown = Number(measured.toFixed(2))
  return bound === 'at most' ? shown <= value : shown >= value
}
