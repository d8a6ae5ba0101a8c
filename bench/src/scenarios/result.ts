import type { Answer } from '../jobs/answer.ts'
import { ratio, spread, type Spread } from '../measure/statistics.ts'

/** The result of a peer over all rounds. */
export interface Compared extends Spread {
  /** The ratio to the base peer, taken round by round. */
  readonly ratio: Spread
}

/** The results of one peer. */
export interface Measured extends Compared {
  /** The processor time for one operation, in nanoseconds. */
  readonly processor: Compared
  /** The median ratio of each launch. */
  readonly byLaunch: readonly number[]
  /** The median value of each launch. */
  readonly medianByLaunch: readonly number[]
}

/** The results of a peer, or the reason why it was skipped. */
export type Row = Measured | { readonly skipped: string }

export function isMeasured(row: Row | undefined): row is Measured {
  return row !== undefined && !('skipped' in row)
}

/** The answers of each peer, in the order of the rounds. */
export type Rounds = ReadonlyMap<string, readonly Answer[]>

export function rowsOf(
  rounds: Rounds,
  base: string,
  skipped: ReadonlyMap<string, string>,
  roundsOfLaunch: number,
): Record<string, Row> {
  const baseAnswers = rounds.get(base) ?? []
  const rows = new Map<string, Row>()
  for (const [peer, answers] of rounds) {
    const compare = (part: keyof Answer): Compared => {
      const values = answers.map((answer) => answer[part])
      const baseValues = baseAnswers.map((answer) => answer[part])
      return { ...spread(values), ratio: ratio(values, baseValues) }
    }
    const byLaunch: number[] = []
    const medianByLaunch: number[] = []
    for (let at = 0; at < answers.length; at += roundsOfLaunch) {
      const of = (all: readonly Answer[]): number[] =>
        all.slice(at, at + roundsOfLaunch).map(({ value }) => value)
      byLaunch.push(ratio(of(answers), of(baseAnswers)).median)
      medianByLaunch.push(spread(of(answers)).median)
    }
    rows.set(peer, {
      ...compare('value'),
      processor: compare('processor'),
      byLaunch,
      medianByLaunch,
    })
  }
  for (const [peer, reason] of skipped) rows.set(peer, { skipped: reason })
  return Object.fromEntries(rows)
}
