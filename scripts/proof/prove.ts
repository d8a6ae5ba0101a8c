import { cells, type Change, changes, type Column, moments } from './table.ts'

/** The used part of the output of vitest's JSON reporter. */
interface Report {
  testResults: { assertionResults: { status: string; meta: { proves?: string[] } }[] }[]
}

/**
 * Checks that on each line of Node a passing test proves every cell of the table, and that no test of a cell fails.
 * Takes the output of vitest's JSON reporter by line of Node. Returns the problems.
 */
export function prove(reports: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(reports).flatMap(([node, texts]) => problemsOn(node, outcomesOf(texts)))
}

/** Returns the results of the tests of each cell, by cell, such as `parent/idle`. */
function outcomesOf(texts: readonly string[]): Map<string, Set<string>> {
  const outcomes = new Map<string, Set<string>>()
  for (const text of texts) {
    const { testResults } = JSON.parse(text) as Report
    for (const { status, meta } of testResults.flatMap((file) => file.assertionResults)) {
      for (const cell of meta.proves ?? []) {
        outcomes.set(cell, (outcomes.get(cell) ?? new Set()).add(status))
      }
    }
  }
  return outcomes
}

function problemsOn(node: string, outcomes: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const problems: string[] = []
  for (const change of names(changes)) {
    if (isImpossible(change, node)) continue
    for (const moment of names(moments)) {
      const cell = `${change}/${moment}`
      const its = outcomes.get(cell) ?? new Set()
      if ('never' in cells[change][moment]) {
        if (its.size > 0) problems.push(`${cell} has a test, but the table says it cannot happen`)
      } else if (!its.has('passed') || its.has('failed')) {
        problems.push(`${cell} is not proved on Node ${node}`)
      }
    }
  }
  return problems
}

/** Tells whether a change is impossible on a line of Node. */
export function isImpossible(change: Change, node: string): boolean {
  return node in (columnOf(change).notOn ?? {})
}

export function columnOf(change: Change): Column {
  return changes[change]
}

export function names<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(record) as K[]
}
