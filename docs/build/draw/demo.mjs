// @ts-check
import { bar, figure, picture, text, WIDTH } from './svg.mjs'

/** @typedef {{ right: number, wrong: number, errors: number, unanswered: number }} Counts */
/**
 * What `npm run docs:pictures -- demo` has written.
 * @typedef {{ node: string, postgres: string, queriesPerProcess: number, plain: Counts & { byProcess: Counts[] }, forksafe: Counts & { byProcess: Counts[] } }} Demo
 */

/** @typedef {'right' | 'wrong' | 'errors' | 'unanswered'} Kind */

const kinds = /** @type {const} */ (['right', 'wrong', 'errors', 'unanswered'])
const LEFT = 62
const ROW = 54

/**
 * What became of the queries of each process, over either pool.
 * @param {Demo} demo
 * @returns {Record<string, string>} by file
 */
export function drawDemo({ plain, forksafe, queriesPerProcess }) {
  // The same legend under both, of what is in either.
  const shown = kinds.filter((kind) => plain[kind] + forksafe[kind] > 0)
  return {
    'demo-plain.svg': draw('A plain pg.Pool', plain, queriesPerProcess, shown),
    'demo-forksafe.svg': draw('forksafe', forksafe, queriesPerProcess, shown),
  }
}

/**
 * @param {string} title
 * @param {Demo['plain']} counts
 * @param {number} queries
 * @param {Kind[]} shown
 */
function draw(title, counts, queries, shown) {
  const rows = counts.byProcess.flatMap((process, n) => row(process, n, queries))
  const height = 44 + counts.byProcess.length * ROW + 22
  const said = counts.byProcess.map((process, n) => `${name(n)}: ${words(process)}`)
  return picture(height, `${title}: ${words(counts)}`, `${said.join('; ')}.`, [
    text(0, 16, title, { size: 17, bold: true }),
    text(WIDTH, 16, summary(counts), { kind: 'soft', anchor: 'end' }),
    ...rows,
    ...legend(height - 8, shown),
  ])
}

/**
 * @param {Counts} counts
 * @param {number} n
 * @param {number} queries
 */
function row(counts, n, queries) {
  const y = 36 + n * ROW
  const scale = (WIDTH - LEFT) / queries
  let x = LEFT
  const bars = kinds.flatMap((kind) => {
    const width = counts[kind] * scale
    x += width
    return width === 0 ? [] : [bar(x - width, y, width, 22, kind)]
  })
  return [
    text(0, y + 16, name(n)),
    ...bars,
    text(LEFT, y + 38, words(counts), { kind: 'soft', size: 13 }),
  ]
}

/**
 * @param {number} y
 * @param {Kind[]} shown
 */
function legend(y, shown) {
  const widths = { right: 74, wrong: 78, errors: 74, unanswered: 110 }
  let x = 0
  return shown.flatMap((kind) => {
    const at = x
    x += widths[kind]
    return [bar(at, y - 11, 12, 12, kind), text(at + 18, y, kind, { kind: 'soft', size: 13 })]
  })
}

/** @param {Counts} counts */
function summary(counts) {
  const all = kinds.reduce((sum, kind) => sum + counts[kind], 0)
  return `${figure(counts.right)} of ${figure(all)} right`
}

/** @param {Counts} counts */
function words(counts) {
  return kinds
    .filter((kind) => counts[kind] > 0)
    .map(
      (kind) =>
        `${figure(counts[kind])} ${counts[kind] === 1 && kind === 'errors' ? 'error' : kind}`,
    )
    .join(', ')
}

/** @param {number} n */
function name(n) {
  return n === 0 ? 'parent' : `child ${n}`
}
