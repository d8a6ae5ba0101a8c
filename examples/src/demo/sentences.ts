import { CHILDREN, CONNECTIONS, QUERIES_PER_PROCESS } from './plan.ts'
import type { Tally } from './tally.ts'

/** Describes a result in words, in the same way for both pools. */
export function sentences(tally: Tally): string[] {
  return [...ofQueries(tally), ...ofProcesses(tally), ...ofParent(tally)]
}

function* ofQueries(tally: Tally): Generator<string> {
  const { right, wrong, foreign, errors, unanswered } = tally
  const all = tally.processes * QUERIES_PER_PROCESS
  if (right === all) yield `Each of the ${all.toLocaleString('en')} queries had its own answer.`
  if (wrong > 0) {
    yield (
      `${queries(wrong)} had another query's answer and no error; ${foreign} of these answers ` +
      `belonged to another process.`
    )
  }
  if (errors > 0) yield `${queries(errors)} failed, most often with ${quote(tally.errorMessages)}.`
  if (unanswered > 0) yield `${queries(unanswered)} had no answer when the time was up.`
}

function* ofProcesses({ childCrashes, parentCrashes }: Tally): Generator<string> {
  if (childCrashes.length > 0) {
    yield `${childCrashes.length} of ${CHILDREN} children crashed: ${quote(childCrashes)}.`
  }
  if (parentCrashes.length > 0) {
    yield `An error that nothing caught reached the parent: ${quote(parentCrashes)}.`
  }
}

function* ofParent({ backendsKept, transactionLost, inFlightLost }: Tally): Generator<string> {
  const kept = backendsKept === CONNECTIONS ? 'all' : `only ${backendsKept}`
  yield `The parent has kept ${kept} of its ${CONNECTIONS} connections.`
  yield transactionLost === undefined
    ? 'Its transaction stayed open on its connection, and could be committed.'
    : `Its open transaction is lost: ${transactionLost}.`
  yield inFlightLost === undefined
    ? 'Its query in flight was answered.'
    : `Its query in flight was not: ${inFlightLost}.`
}

function queries(count: number): string {
  return count === 1 ? '1 query' : `${count.toLocaleString('en')} queries`
}

function quote([first]: readonly string[]): string {
  return `"${first}"`
}
