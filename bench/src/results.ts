import type { AfterForkResult } from './scenarios/after-fork.ts'
import type { HeapResult } from './scenarios/heap.ts'
import type { DetectionResult, LendingResult } from './scenarios/lending.ts'
import type { QueriesResult } from './scenarios/queries.ts'

/** What was measured; a part that was not asked for is missing. */
export interface Results {
  lending?: LendingResult
  detection?: DetectionResult
  queries?: QueriesResult
  /** The same around clients that answer at once. */
  instantQueries?: QueriesResult
  heap?: HeapResult
  afterFork?: AfterForkResult
}

export const parts = [
  'lending',
  'detection',
  'queries',
  'heap',
  'afterFork',
] as const satisfies (keyof Results)[]
export type Part = (typeof parts)[number]
