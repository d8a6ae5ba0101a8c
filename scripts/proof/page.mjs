// @ts-check
import { names } from './prove.mjs'
import { cells, changes, moments } from './table.mjs'

/** @typedef {import('./table.d.mts').Change} Change */
/** @typedef {{ file: string, title: string, proves: string[] }} Proof a test, and the cells it proves */

/**
 * The table of process changes in Markdown, each cell with links to the tests that prove it.
 * @param {Proof[]} proofs
 * @param {string[]} nodes the supported lines
 * @param {string} root of the repository, as seen from the page
 */
export function page(proofs, nodes, root) {
  return `${table()}\n${proofList(proofs, nodes, root)}`
}

function table() {
  const columns = names(changes)
  const lines = [
    ['at that moment', ...columns.map((change) => changes[change].title)],
    ['---', ...columns.map(() => '---')],
  ]
  for (const moment of names(moments)) {
    const row = columns.map((change) => {
      const cell = cells[change][moment]
      return 'never' in cell ? `_${cell.never}_` : `[${cell.claim}](#${change}-${moment})`
    })
    lines.push([moments[moment], ...row])
  }
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('')
}

/**
 * @param {Proof[]} proofs
 * @param {string[]} nodes
 * @param {string} root
 */
function proofList(proofs, nodes, root) {
  const lines = ['## Proofs\n']
  for (const change of names(changes)) {
    const { heading, notOn = {} } = changes[change]
    const where = nodes.filter((node) => notOn[node] === undefined)
    const why = Object.values(notOn).map((reason) => ` ${reason}.`)
    lines.push(`### ${heading}\n`, `On Node ${where.join(', ')}.${why.join('')}\n`)
    for (const moment of names(moments)) {
      const its = proofs.filter(({ proves }) => proves.includes(`${change}/${moment}`))
      if (its.length === 0) {
        if ('never' in cells[change][moment]) continue
        throw new Error(`No test proves ${change}/${moment}`)
      }
      lines.push(`- <a id="${change}-${moment}"></a>${moments[moment]}`)
      const links = its.map(({ file, title }) => `  - [${escape(title)}](${root}/${file})`)
      lines.push(...links.sort())
    }
    lines.push('')
  }
  return lines.join('\n')
}

/** @param {string} title */
function escape(title) {
  return title.replace(/[[\]<>|*_`]/g, '\\$&')
}
