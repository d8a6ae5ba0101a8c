// @ts-check
// The table of docs/process-changes.md, made of a test run on every line of Node: what no passing test proves, it
// does not claim.
import { relative } from 'node:path'
import { root } from '../tools.mjs'
import { cells, changes, moments } from './table.mjs'

/** @typedef {import('./table.d.mts').Change} Change */
/** @typedef {import('./table.d.mts').Moment} Moment */
/** @typedef {{ file: string, title: string, passed: string[], failed: string[] }} Proof on which Nodes it did */

const START = '<!-- proof: made by `npm test`, not by hand -->\n<!-- prettier-ignore-start -->\n'
const END = '<!-- prettier-ignore-end -->\n<!-- end of proof -->\n'

/**
 * Puts the table into the page. `problems` says which cells are not proved, and what is proved that is not claimed.
 * @param {string} page
 * @param {Record<string, string>} reports what vitest's JSON reporter wrote, by line of Node
 * @returns {{ page: string, problems: string[] }}
 */
export function prove(page, reports) {
  const proofs = proofsOf(reports)
  const problems = problemsOf(proofs, Object.keys(reports))
  const [before, rest] = page.split(START)
  const after = rest?.split(END)[1]
  if (after === undefined) throw new Error('The page has no place for the table.')
  const made = `${table(proofs, Object.keys(reports))}\n${proofList(proofs, Object.keys(reports))}`
  return { page: `${before}${START}${made}\n${END}${after}`, problems }
}

/**
 * @param {Record<string, string>} reports
 * @returns {Map<string, Proof[]>} by cell, as in `parent/idle`
 */
function proofsOf(reports) {
  /** @type {Map<string, Map<string, Proof>>} */
  const found = new Map()
  for (const [node, report] of Object.entries(reports)) {
    /** @type {{ testResults: { name: string, assertionResults: { fullName: string, status: string, meta: { proves?: string[] } }[] }[] }} */
    const { testResults } = JSON.parse(report)
    for (const { name, assertionResults } of testResults) {
      for (const { fullName: title, status, meta } of assertionResults) {
        for (const cell of meta.proves ?? []) {
          const file = relative(root, name)
          const proofs = found.get(cell) ?? new Map()
          found.set(cell, proofs)
          /** @type {Proof} */
          const proof = proofs.get(`${file} ${title}`) ?? { file, title, passed: [], failed: [] }
          proofs.set(`${file} ${title}`, proof)
          if (status === 'passed') proof.passed.push(node)
          if (status === 'failed') proof.failed.push(node)
        }
      }
    }
  }
  const sorted = [...found].map(([cell, proofs]) => {
    const inOrder = [...proofs.values()].sort((a, b) =>
      `${a.file} ${a.title}` < `${b.file} ${b.title}` ? -1 : 1,
    )
    return /** @type {const} */ ([cell, inOrder])
  })
  return new Map(sorted)
}

/**
 * @param {Map<string, Proof[]>} proofs
 * @param {string[]} nodes
 */
function problemsOf(proofs, nodes) {
  /** @type {string[]} */
  const problems = []
  each((change, moment) => {
    const cell = `${change}/${moment}`
    const its = proofs.get(cell) ?? []
    if ('never' in cells[change][moment]) {
      if (its.length > 0) problems.push(`${cell} is proved, but said never to come to pass`)
      return
    }
    for (const node of nodesOf(change, nodes)) {
      if (!isProved(its, node)) problems.push(`${cell} is not proved on Node ${node}`)
    }
  })
  return problems
}

/**
 * @param {Proof[]} proofs of one cell
 * @param {string} node
 */
function isProved(proofs, node) {
  return (
    proofs.some(({ passed }) => passed.includes(node)) &&
    proofs.every(({ failed }) => !failed.includes(node))
  )
}

/**
 * @param {Change} change
 * @param {string[]} nodes
 */
function nodesOf(change, nodes) {
  return nodes.filter((node) => changes[change].notOn?.[node] === undefined)
}

/**
 * @param {Map<string, Proof[]>} proofs
 * @param {string[]} nodes
 */
function table(proofs, nodes) {
  const columns = names(changes)
  const lines = [
    ['at that moment', ...columns.map((change) => changes[change].title)],
    ['---', ...columns.map(() => '---')],
  ]
  for (const moment of names(moments)) {
    const row = columns.map((change) => {
      const cell = cells[change][moment]
      if ('never' in cell) return `_${cell.never}_`
      const its = proofs.get(`${change}/${moment}`) ?? []
      const proved = nodesOf(change, nodes).every((node) => isProved(its, node))
      return proved ? `[${cell.claim}](#${change}-${moment})` : '**not proved**'
    })
    lines.push([moments[moment], ...row])
  }
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('')
}

/**
 * @param {Map<string, Proof[]>} proofs
 * @param {string[]} nodes
 */
function proofList(proofs, nodes) {
  const lines = ['## Proofs\n']
  for (const change of names(changes)) {
    const { heading, notOn = {} } = changes[change]
    const where = nodesOf(change, nodes)
    lines.push(`### ${heading}\n`)
    lines.push(
      `On Node ${where.join(', ')}. ${Object.values(notOn)
        .map((why) => `${why}.`)
        .join(' ')}`.trimEnd() + '\n',
    )
    for (const moment of names(moments)) {
      const its = proofs.get(`${change}/${moment}`) ?? []
      if (its.length === 0) continue
      lines.push(`- <a id="${change}-${moment}"></a>${moments[moment]}`)
      for (const { file, title, passed } of its) {
        const only = passed.length === where.length ? '' : ` (Node ${passed.join(', ')})`
        lines.push(`  - [${escape(title)}](../${file})${only}`)
      }
    }
    lines.push('')
  }
  return lines.join('\n')
}

/** @param {string} title */
function escape(title) {
  return title.replace(/[[\]<>|*_`]/g, '\\$&')
}

/** @param {(change: Change, moment: Moment) => void} visit */
function each(visit) {
  for (const change of names(changes)) for (const moment of names(moments)) visit(change, moment)
}

/**
 * @template {string} K
 * @param {Record<K, unknown>} record
 */
function names(record) {
  return /** @type {K[]} */ (Object.keys(record))
}
