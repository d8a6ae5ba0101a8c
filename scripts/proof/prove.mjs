// @ts-check
import { cells, changes, moments } from './table.mjs'

/** @typedef {import('./table.d.mts').Change} Change */
/** @typedef {import('./table.d.mts').Moment} Moment */
/**
 * What vitest's JSON reporter writes.
 * @typedef {{ testResults: { assertionResults: { status: string, meta: { proves?: string[] } }[] }[] }} Report
 */

/**
 * Checks that on each line of Node a passing test proves every cell of the table, and that no test that names it fails.
 * @param {Record<string, string[]>} reports by vitest's JSON reporter, by line of Node
 * @returns {string[]} what is wrong
 */
export function prove(reports) {
  return Object.entries(reports).flatMap(([node, texts]) => problemsOn(node, outcomesOf(texts)))
}

/**
 * @param {string[]} texts
 * @returns {Map<string, Set<string>>} how the tests of a cell ended, by cell, as in `parent/idle`
 */
function outcomesOf(texts) {
  /** @type {Map<string, Set<string>>} */
  const outcomes = new Map()
  for (const text of texts) {
    /** @type {Report} */
    const { testResults } = JSON.parse(text)
    for (const { status, meta } of testResults.flatMap((file) => file.assertionResults)) {
      for (const cell of meta.proves ?? []) {
        outcomes.set(cell, (outcomes.get(cell) ?? new Set()).add(status))
      }
    }
  }
  return outcomes
}

/**
 * @param {string} node
 * @param {Map<string, Set<string>>} outcomes
 */
function problemsOn(node, outcomes) {
  const problems = []
  for (const change of names(changes)) {
    if (changes[change].notOn?.[node] !== undefined) continue
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

/**
 * @template {string} K
 * @param {Record<K, unknown>} record
 */
export function names(record) {
  return /** @type {K[]} */ (Object.keys(record))
}
