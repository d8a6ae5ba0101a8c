import type { Entry } from './ledger.ts'
import { CHILDREN, CONNECTIONS, QUERIES_PER_PROCESS } from './plan.ts'
import type { Found } from './scene.ts'

/** What a run came to. */
export interface Tally {
  readonly processes: number
  /** These four add up to the queries of all processes. */
  readonly right: number
  readonly wrong: number
  readonly errors: number
  readonly unanswered: number
  /** Of the wrong answers, those that another process had asked for. */
  readonly foreign: number
  /** What the errors said, the most frequent first. */
  readonly errorMessages: readonly string[]
  /** What ended each child that ended before its time. */
  readonly childCrashes: readonly string[]
  /** Errors that nothing in the parent caught, and what ended it, if it did not live to the end. */
  readonly parentCrashes: readonly string[]
  readonly backendsKept: number
  /** Why not; `undefined` where it was kept. */
  readonly transactionLost: string | undefined
  readonly inFlightLost: string | undefined
  /** Why no process was forked; `undefined` where they were. */
  readonly unforked: string | undefined
}

/** The parent did not live to look. */
const NOTHING_FOUND: Found = {
  backendsKept: 0,
  transactionLost: 'the parent is gone',
  inFlightLost: 'the parent is gone',
}

export function tally(entries: readonly Entry[]): Tally {
  const of = <W extends Entry['what']>(what: W) =>
    entries.filter((entry): entry is Extract<Entry, { what: W }> => entry.what === what)
  const crashes = of('crash')
  const unforked = of('unforked')[0]?.reason
  const processes = unforked === undefined ? 1 + CHILDREN : 1
  const right = of('right').length
  const wrong = of('wrong')
  const errors = of('error')
  const found = of('found')[0]?.found ?? NOTHING_FOUND
  return {
    processes,
    right,
    wrong: wrong.length,
    errors: errors.length,
    unanswered: processes * QUERIES_PER_PROCESS - right - wrong.length - errors.length,
    foreign: wrong.filter(({ process, owner }) => owner !== undefined && owner !== process).length,
    errorMessages: byFrequency(errors.map(({ message }) => message)),
    childCrashes: crashes.filter(({ process }) => process > 0).map(({ message }) => message),
    parentCrashes: crashes.filter(({ process }) => process === 0).map(({ message }) => message),
    backendsKept: found.backendsKept,
    transactionLost: found.transactionLost,
    inFlightLost: found.inFlightLost,
    unforked,
  }
}

/** Whether every query had its own answer, and the parent has kept what it held. */
export function isFlawless(tally: Tally): boolean {
  return (
    tally.right === tally.processes * QUERIES_PER_PROCESS &&
    tally.backendsKept === CONNECTIONS &&
    tally.transactionLost === undefined &&
    tally.inFlightLost === undefined &&
    tally.childCrashes.length + tally.parentCrashes.length === 0
  )
}

function byFrequency(messages: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([message]) => message)
}
