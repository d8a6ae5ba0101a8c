import { columnOf, isImpossible, names } from './prove.ts'
import { cells, changes, moments } from './table.ts'

/** A test, and the cells that it proves. */
export interface Proof {
  readonly file: string
  readonly title: string
  readonly proves: readonly string[]
}

/**
 * Returns the table of process changes in Markdown, each cell with links to its tests. `nodes` are the supported lines.
 * `root` is the relative path from the page to the root of the repository.
 */
export function page(proofs: readonly Proof[], nodes: readonly string[], root: string): string {
  return `${table()}\n${proofList(proofs, nodes, root)}`
}

function table(): string {
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

function proofList(proofs: readonly Proof[], nodes: readonly string[], root: string): string {
  const lines = ['## Proofs\n']
  for (const change of names(changes)) {
    const { heading, notOn = {} } = columnOf(change)
    const where = nodes.filter((node) => !isImpossible(change, node))
    const why = Object.values(notOn).map((reason) => ` ${reason}.`)
    lines.push(`### ${heading}\n`, `On Node ${where.join(', ')}.${why.join('')}\n`)
    for (const moment of names(moments)) {
      const its = proofs.filter((proof) => proof.proves.includes(`${change}/${moment}`))
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

function escape(title: string): string {
  return title.replace(/[[\]<>|*_`]/g, '\\$&')
}
