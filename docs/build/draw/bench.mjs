// @ts-check
import * as Plot from '@observablehq/plot'
import { colour, figure, picture, words } from './picture.mjs'

/** @typedef {{ median: number, ratio: { median: number } } | { skipped: string }} Row */
/** @typedef {Record<string, Record<string, Row>>} Rows */
/**
 * The parts of the JSON output of `npm run bench -- --json` that are drawn.
 * @typedef {{
 *   environment: { node: string, platform: string, cpu: string, cores: number, peers: Record<string, string>, postgres?: string },
 *   quick: boolean,
 *   lending?: Rows,
 *   queries?: Rows,
 *   instantQueries?: Rows,
 *   heap?: Record<string, { pool: number, resource: number } | { skipped: string }>,
 *   afterFork?: Record<string, Record<'firstAnswer' | 'afterFork' | 'newPool', { median: number }> | { skipped: string }>,
 * }} Bench
 */
/** @typedef {{ file: string, title: string, unit: string, better: string, bars: { label: string, value: number }[] }} Chart */

const ours = new Map([
  ['core', 'forksafe'],
  ['core-without-koffi', 'forksafe, no koffi'],
  ['forksafe', 'forksafe'],
  ['drop-in', 'forksafe, drop-in'],
])
const LEFT = 138
const RIGHT = 70
const ROW = 30

/**
 * @param {Bench} bench
 * @returns {Record<string, string>} by file
 */
export function drawBench(bench) {
  return Object.fromEntries(charts(bench).map((chart) => [chart.file, draw(chart)]))
}

/**
 * @param {Bench} bench
 * @returns {Chart[]}
 */
export function charts({ lending = {}, queries = {}, instantQueries = {}, heap, afterFork }) {
  const ns = { unit: 'ns', better: 'less is better' }
  const perSecond = { unit: 'queries a second over 10 connections', better: 'more is better' }
  const lent = {
    solo: 'Acquire and release, one caller',
    crowd: '100 callers over 10 resources',
    look: 'Acquire, look, release',
    use: 'use(), one caller',
  }
  /** @param {string} callers */
  const by = (callers) => `${callers} caller${callers === '1' ? '' : 's'}`
  /** @type {Chart[]} */
  const charts = []
  for (const [scenario, title] of Object.entries(lent)) {
    const bars = medians(lending[scenario])
    if (bars.length > 0) charts.push({ ...ns, file: `bench-${scenario}.svg`, title, bars })
  }
  for (const [where, what, rows] of /** @type {const} */ ([
    ['queries', 'PostgreSQL', queries],
    ['instant', 'No server', instantQueries],
  ])) {
    for (const [callers, row] of Object.entries(rows)) {
      const file = `bench-${where}-${callers}.svg`
      charts.push({ ...perSecond, file, title: `${what}: ${by(callers)}`, bars: medians(row) })
    }
  }
  if (heap !== undefined) {
    charts.push(memory(heap, 'pool', 'bench-heap-pool.svg', 'An idle pool'))
    charts.push(memory(heap, 'resource', 'bench-heap.svg', 'An idle resource'))
  }
  if (afterFork !== undefined) charts.push(firstAnswer(afterFork))
  return charts
}

/** @param {Record<string, Row> | undefined} rows */
function medians(rows = {}) {
  return Object.entries(rows).flatMap(([label, row]) =>
    'median' in row ? [{ label, value: row.median }] : [],
  )
}

/**
 * @param {NonNullable<Bench['heap']>} heap
 * @param {'pool' | 'resource'} what
 * @param {string} file
 * @param {string} title
 * @returns {Chart}
 */
function memory(heap, what, file, title) {
  return {
    file,
    title,
    unit: 'bytes',
    better: 'less is better',
    bars: Object.entries(heap).flatMap(([label, row]) =>
      'pool' in row ? [{ label, value: row[what] }] : [],
    ),
  }
}

/**
 * @param {NonNullable<Bench['afterFork']>} afterFork
 * @returns {Chart}
 */
function firstAnswer(afterFork) {
  return {
    file: 'bench-after-fork.svg',
    title: 'After a fork: the first answer',
    unit: 'ms',
    better: 'less is better',
    bars: Object.entries(afterFork).flatMap(([label, row]) =>
      'firstAnswer' in row
        ? [{ label: label.replace('resources', 'objects'), value: row.firstAnswer.median }]
        : [],
    ),
  }
}

/** @param {Chart} chart */
function draw({ title, unit, better, bars }) {
  const places = unit === 'ms' ? 1 : 0
  const sorted = [...bars].sort((a, b) => a.value - b.value)
  if (better === 'more is better') sorted.reverse()
  const rows = sorted.map(({ label, value }) => ({
    name: nameOf(label),
    value,
    kind: ours.has(label) ? 'right' : 'other',
    said: figure(value, places),
  }))
  const description = rows.map(({ name, said }) => `${name} ${said}`).join('; ')
  const name = /** @type {const} */ ({
    y: 'name',
    frameAnchor: 'left',
    dx: -LEFT,
    textAnchor: 'start',
    text: 'name',
  })
  const isOurs = (/** @type {typeof rows[number]} */ { kind }) => kind === 'right'
  return picture({
    title,
    subtitle: `${unit}; ${better}`,
    ariaLabel: title,
    ariaDescription: `In ${unit}: ${description}.`,
    height: 54 + rows.length * ROW,
    marginTop: 48,
    marginBottom: 0,
    marginLeft: LEFT,
    marginRight: RIGHT,
    x: { axis: null },
    y: { axis: null, domain: rows.map(({ name }) => name), padding: 0.3 },
    marks: [
      words(rows.filter(isOurs), { ...name, fontWeight: 600 }),
      words(
        rows.filter((row) => !isOurs(row)),
        name,
      ),
      Plot.barX(rows, { y: 'name', x: 'value', fill: ({ kind }) => colour(kind), rx: 2 }),
      words(rows, { y: 'name', x: 'value', text: 'said', textAnchor: 'start', dx: 6 }),
    ],
  })
}

/** @param {string} label */
function nameOf(label) {
  return ours.get(label) ?? (label === 'floor' ? 'no pool: the floor' : label)
}
