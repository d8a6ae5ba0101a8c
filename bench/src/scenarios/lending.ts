import type { LendingRequest, LendingScenario } from '../jobs/lending.ts'
import { type PeerName, peerNames } from '../peers/names.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

/** Nanoseconds; the ratio is to generic-pool. */
export type LendingResult = Record<LendingScenario, Record<PeerName, Row>>

export const lendingTitles: Record<LendingScenario, string> = {
  solo: 'Acquire and release, one caller',
  crowd: 'Acquire and release, 100 callers over 10 resources',
  look: 'Acquire, look at the resource, release, one caller',
  use: '`use`, one caller',
}

export const lendingScenarios = Object.keys(lendingTitles) as LendingScenario[]

export async function measureLending(quick: boolean): Promise<LendingResult> {
  // Short, so that all peers of a round meet the same weather.
  const millis = 12
  const questions = lendingScenarios.map((scenario): [string, LendingRequest] => [
    scenario,
    { scenario, millis },
  ])
  const result = await sideBySide({
    job: 'lending',
    peers: peerNames,
    base: 'generic-pool',
    argument: ([peer]) => ({ peer: peer as PeerName }),
    questions: new Map(questions),
    warmUpMillis: quick ? 250 : 400,
    launches: quick ? 1 : 3,
    rounds: quick ? 15 : 20,
  })
  return result as LendingResult
}
