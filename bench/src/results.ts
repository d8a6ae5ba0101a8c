import type { AfterForkResult } from './scenarios/after-fork.ts'
import type { ColdStartResult } from './scenarios/cold-start.ts'
import type { HeapResult } from './scenarios/heap.ts'
import type { DetectionResult, LendingResult, UnsharedResult } from './scenarios/lending.ts'
import type { QueriesResult } from './scenarios/queries.ts'
import type { QuietResult } from './scenarios/quiet.ts'
import type { SharingResult } from './scenarios/sharing.ts'
import type { StormResult } from './scenarios/storm.ts'

/** The results by part. Parts that were not requested are absent. */
export interface Results {
  lending?: LendingResult
  detection?: DetectionResult
  unshared?: UnsharedResult
  queries?: QueriesResult
  /** The same with clients that answer without a server. */
  instantQueries?: QueriesResult
  sharing?: SharingResult
  quiet?: QuietResult
  coldStart?: ColdStartResult
  storm?: StormResult
  heap?: HeapResult
  afterFork?: AfterForkResult
}

export const parts = [
  'lending',
  'detection',
  'unshared',
  'queries',
  'sharing',
  'quiet',
  'coldStart',
  'storm',
  'heap',
  'afterFork',
] as const satisfies (keyof Results)[]
export type Part = (typeof parts)[number]
