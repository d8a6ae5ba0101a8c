import type { DestroyReason } from '../api/pool.ts'
import type { PoolCounts } from '../api/stats.ts'

const reasons: readonly DestroyReason[] = [
  'broken',
  'lost',
  'invalid',
  'reset',
  'idle',
  'lifetime',
  'uses',
  'trim',
  'resize',
  'retire',
  'recycle',
  'close',
  'late',
  'budget',
]

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** The cumulative counters of a pool. The numbers only rise, also over a change of process. */
export type Counts = Writable<Omit<PoolCounts, 'destroyed'>> & {
  destroyed: Record<DestroyReason, number>
}

export function newCounts(): Counts {
  return {
    acquired: 0,
    timedOut: 0,
    rejected: 0,
    created: 0,
    createFailures: 0,
    destroyed: Object.fromEntries(reasons.map((reason) => [reason, 0])) as Counts['destroyed'],
    discarded: 0,
    totalWaitMillis: 0,
    totalHoldMillis: 0,
  }
}
