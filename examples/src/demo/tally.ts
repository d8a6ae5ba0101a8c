import type { Entry } from './ledger.ts'
import { CHILDREN, CONNECTIONS, QUERIES_PER_PROCESS } from './plan.ts'
import type { Found } from './scene.ts'

/** The outcomes of queries. The four numbers add up to the number of queries. */
export interface Counts {
  readonly right: number
  readonly wrong: number
  readonly errors: number
  readonly unanswered: number
}

/** The result of a run. The counts are those of all processes. */
export interface Tally extends Counts {
  readonly processes: number
  /** The counts of each process, the parent first. */
  readonly byProcess: readonly Counts[]
  /** The number of wrong answers that belonged to another process. */
  readonly foreign: number
  /** The error messages, the most frequent first. */
  readonly errorMessages: readonly string[]
  /** The cause of death of each child that crashed. */
  readonly childCrashes: readonly string[]
  /** The uncaught errors of the parent, and its cause of death, if it crashed. */
  readonly parentCrashes: readonly string[]
  readonly backendsKept: number
  /** The reason why it was not kept; `undefined` if it was. */
  readonly transactionLost: string | undefined
  readonly inFlightLost: string | undefined
  /** The reason why no process was forked; `undefined` if there were forks. */
  readonly unforked: string | undefined
}

/** The findings of a parent that crashed before it could check. */
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
  const answers = { right: of('right'), wrong: of('wrong'), errors: of('error') }
  const byProcess = Array.from({ length: processes }, (_, n) => counts(answers, n))
  const found = of('found')[0]?.found ?? NOTHING_FOUND
  return {
    processes,
    ...total(byProcess),
    byProcess,
    foreign: answers.wrong.filter(({ process, owner }) => owner !== undefined && owner !== process)
      .length,
    errorMessages: byFrequency(answers.errors.map(({ message }) => message)),
    childCrashes: crashes.filter(({ process }) => process > 0).map(({ message }) => message),
    parentCrashes: crashes.filter(({ process }) => process === 0).map(({ message }) => message),
    backendsKept: found.backendsKept,
    transactionLost: found.transactionLost,
    inFlightLost: found.inFlightLost,
    unforked,
  }
}

/** Tells whether every query had its own answer, and the parent kept what it held. */
export function isFlawless(tally: Tally): boolean {
  return (
    tally.right === tally.processes * QUERIES_PER_PROCESS &&
    tally.backendsKept === CONNECTIONS &&
    tally.transactionLost === undefined &&
    tally.inFlightLost === undefined &&
    tally.childCrashes.length + tally.parentCrashes.length === 0
  )
}

type Answers = Record<'right' | 'wrong' | 'errors', readonly { readonly process: number }[]>

function counts(answers: Answers, process: number): Counts {
  const of = (what: keyof Answers) =>
    answers[what].filter((answer) => answer.process === process).length
  const [right, wrong, errors] = [of('right'), of('wrong'), of('errors')]
  return { right, wrong, errors, unanswered: QUERIES_PER_PROCESS - right - wrong - errors }
}

function total(each: readonly Counts[]): Counts {
  const of = (what: keyof Counts) => each.reduce((sum, counts) => sum + counts[what], 0)
  return {
    right: of('right'),
    wrong: of('wrong'),
    errors: of('errors'),
    unanswered: of('unanswered'),
  }
}

function byFrequency(messages: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([message]) => message)
}
