import type { LendingRequest, LendingScenario } from '../jobs/lending.ts'
import {
  type DetectionName,
  detectionNames,
  type PeerName,
  type PoolName,
  poolNames,
  type UnsharedName,
  unsharedNames,
} from '../peers/names.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

type Rows<P extends PeerName, S extends LendingScenario> = Record<S, Record<P, Row>>

/** The times in nanoseconds, with the ratio to generic-pool. */
export type LendingResult = Rows<PoolName, LendingScenario>

/** The times in nanoseconds, with the ratio to core with the page and all defaults. */
export type DetectionResult = Rows<DetectionName, 'solo' | 'use'>

export const lendingTitles: Record<LendingScenario, string> = {
  solo: 'Acquire and release, one caller',
  crowd: 'Acquire and release, 100 callers over 10 resources',
  crowdWithWork: 'Acquire, `await null`, release, 100 callers over 10 resources',
  look: 'Acquire, look at the resource, release, one caller',
  use: '`use`, one caller',
}

export const lendingScenarios = Object.keys(lendingTitles) as LendingScenario[]

export function measureLending(quick: boolean): Promise<LendingResult> {
  return measure(poolNames, 'generic-pool', lendingScenarios, quick)
}

/** Measures the cost of checking for forks: at every use, not after the first change, and never. */
export function measureDetection(quick: boolean): Promise<DetectionResult> {
  return measure(detectionNames, 'core', ['solo', 'use'], quick)
}

/** The times in nanoseconds, with the ratio to a driver that cannot share. */
export type UnsharedResult = Rows<UnsharedName, 'solo' | 'crowd' | 'use'>

/** Measures whether acquires cost more if the driver could share its resources. */
export function measureUnshared(quick: boolean): Promise<UnsharedResult> {
  return measure(unsharedNames, 'core', ['solo', 'crowd', 'use'], quick)
}

async function measure<P extends PeerName, S extends LendingScenario>(
  peers: readonly P[],
  base: P,
  scenarios: readonly S[],
  quick: boolean,
): Promise<Rows<P, S>> {
  // Short, so that all peers of a round run under the same conditions.
  const millis = 12
  const questions = scenarios.map((scenario): [string, LendingRequest] => [
    scenario,
    { scenario, millis },
  ])
  const result = await sideBySide({
    job: 'lending',
    peers,
    base,
    argument: ([peer]) => ({ peer: peer as PeerName }),
    questions: new Map(questions),
    warmUpMillis: quick ? 250 : 400,
    launches: quick ? 1 : 3,
    rounds: quick ? 15 : 20,
  })
  return result as Rows<P, S>
}
