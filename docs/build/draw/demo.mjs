// @ts-check
import * as Plot from '@observablehq/plot'
import { colour, figure, picture, words } from './picture.mjs'

/** @typedef {{ right: number, wrong: number, errors: number, unanswered: number }} Counts */
/**
 * The data that `npm run docs:pictures -- demo` writes.
 * @typedef {{ node: string, postgres: string, queriesPerProcess: number, plain: Counts & { byProcess: Counts[] }, forksafe: Counts & { byProcess: Counts[] } }} Demo
 */

/** @typedef {'right' | 'wrong' | 'errors' | 'unanswered'} Kind */

const kinds = /** @type {const} */ (['right', 'wrong', 'errors', 'unanswered'])
const LEFT = 62
const ROW = 54

/**
 * Draws the answers to the queries of each process, for both pools.
 * @param {Demo} demo
 * @returns {Record<string, string>} by file
 */
export function drawDemo({ plain, forksafe, queriesPerProcess }) {
  // Both have the same legend, with the kinds that occur in any of them.
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
  const processes = counts.byProcess.map((counts, n) => ({ name: name(n), said: phrase(counts) }))
  const parts = counts.byProcess.flatMap((counts, n) =>
    kinds.map((kind) => ({ name: name(n), kind, count: counts[kind] })),
  )
  const legend = /** @type {const} */ ({ frameAnchor: 'bottom-left', dy: 30 })
  return picture({
    title,
    subtitle: summary(counts),
    ariaLabel: `${title}: ${phrase(counts)}`,
    ariaDescription: `${processes.map(({ name, said }) => `${name}: ${said}`).join('; ')}.`,
    height: 48 + processes.length * ROW + 30,
    marginTop: 48,
    marginBottom: 30,
    marginLeft: LEFT,
    marginRight: 0,
    x: { axis: null, domain: [0, queries] },
    y: { axis: null, domain: processes.map(({ name }) => name), padding: 0.55 },
    marks: [
      words(processes, {
        y: 'name',
        frameAnchor: 'left',
        dx: -LEFT,
        textAnchor: 'start',
        text: 'name',
      }),
      Plot.barX(parts, {
        y: 'name',
        x: 'count',
        fill: ({ kind }) => colour(kind),
        rx: 2,
        filter: ({ count }) => count > 0,
      }),
      words(processes, {
        y: 'name',
        x: 0,
        text: 'said',
        textAnchor: 'start',
        dy: 22,
        fill: colour('soft'),
      }),
      ...shown.flatMap((kind, n) => [
        Plot.dot([kind], {
          ...legend,
          dx: 6 - LEFT + n * 100,
          dy: 20,
          r: 6,
          symbol: 'square',
          fill: colour(kind),
        }),
        words([kind], {
          ...legend,
          dx: 18 - LEFT + n * 100,
          dy: 26,
          textAnchor: 'start',
          fill: colour('soft'),
        }),
      ]),
    ],
  })
}

/** @param {Counts} counts */
function summary(counts) {
  const all = kinds.reduce((sum, kind) => sum + counts[kind], 0)
  return `${figure(counts.right)} of ${figure(all)} right`
}

/** @param {Counts} counts */
function phrase(counts) {
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
