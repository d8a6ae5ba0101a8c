import type { Environment } from '../environment.ts'
import { labels } from '../peers/names.ts'
import type { Results } from '../results.ts'
import type { AfterForkResult } from '../scenarios/after-fork.ts'
import { coldStartCallers, type ColdStartResult } from '../scenarios/cold-start.ts'
import type { HeapResult } from '../scenarios/heap.ts'
import { lendingScenarios, lendingTitles } from '../scenarios/lending.ts'
import type { QueriesResult } from '../scenarios/queries.ts'
import { isMeasured, type Measured, type Row } from '../scenarios/result.ts'
import { stormKinds, type StormResult, stormTitles } from '../scenarios/storm.ts'
import type { Verdict } from '../targets.ts'
import { chart } from './chart.ts'
import { between, figure } from './numbers.ts'
import { table } from './table.ts'

/** Formats the report. */
export function text(
  environment: Environment,
  results: Results,
  verdicts: readonly Verdict[],
): string {
  return [head(environment), ...sections(results), targets(verdicts)].join('\n\n')
}

function head({ node, platform, cpu, cores, peers, postgres, apart }: Environment): string {
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`)
  if (postgres !== undefined) {
    versions.push(`PostgreSQL ${postgres}${apart ? ', on a processor of its own' : ''}`)
  }
  return `Node ${node}, ${platform}, ${cores} x ${cpu}\n${versions.join(', ')}`
}

function* sections({
  lending,
  detection,
  unshared,
  queries,
  instantQueries,
  sharing,
  quiet,
  coldStart,
  storm,
  heap,
  afterFork,
}: Results): Generator<string> {
  if (lending !== undefined) {
    for (const scenario of lendingScenarios) {
      yield comparison(lendingTitles[scenario], lending[scenario], 'ns', 'generic-pool')
    }
  }
  if (detection !== undefined) {
    yield comparison('Looking for forks: acquire and release', detection.solo, 'ns', 'core, page')
    yield comparison('Looking for forks: `use`', detection.use, 'ns', 'core, page')
  }
  if (unshared !== undefined) {
    for (const scenario of ['solo', 'crowd', 'use'] as const) {
      yield comparison(lendingTitles[scenario], unshared[scenario], 'ns', 'core, page')
    }
  }
  if (queries !== undefined) yield* comparisons('Queries on PostgreSQL', queries)
  if (instantQueries !== undefined) yield* comparisons('Queries without a server', instantQueries)
  if (sharing !== undefined) {
    for (const [name, rows] of Object.entries(sharing.rates)) {
      yield comparison(`Shared connections, ${name}`, rows, 'queries/s', 'pg.Pool')
    }
    for (const [name, rows] of Object.entries(sharing.latencies)) {
      yield comparison(`Shared connections, ${name}`, rows, 'ms', 'pg.Pool', 2)
    }
  }
  if (quiet !== undefined) {
    const title = 'One query every 0.7 s, a round trip of 20 ms'
    yield comparison(title, quiet, 'ms', 'pg.Pool', 2)
  }
  if (coldStart !== undefined) yield* coldStarts(coldStart)
  if (storm !== undefined) yield* stormSections(storm)
  if (heap !== undefined) yield heapTable(heap)
  if (afterFork !== undefined) yield afterForkTable(afterFork)
}

function* comparisons(what: string, result: QueriesResult): Generator<string> {
  for (const [callers, rows] of Object.entries(result)) {
    yield comparison(`${what}, 10 connections, callers: ${callers}`, rows, 'queries/s', 'pg.Pool')
  }
}

function* coldStarts({ toPgPool, toUnlimited }: ColdStartResult): Generator<string> {
  for (const callers of coldStartCallers) {
    const title = `A new pool, until ${callers} callers have their first answers`
    yield comparison(title, toPgPool[callers], 'ms', 'pg.Pool', 2)
    const { forksafe } = toUnlimited[callers]
    if (!isMeasured(forksafe)) continue
    const { median } = forksafe.ratio
    yield `forksafe, to forksafe with no maxConnecting: ${figure(median, 2)} (${between(forksafe.ratio, 2)})`
  }
}

function* stormSections({ blocked, priorities }: StormResult): Generator<string> {
  for (const kind of stormKinds) yield comparison(stormTitles[kind], blocked[kind], 'ms', 'core', 1)
  yield comparison('40,000 waits, by priorities', priorities, 'ns/wait', 'one priority')
}

function comparison(
  title: string,
  rows: Readonly<Record<string, Row>>,
  unit: string,
  base: string,
  places = 0,
): string {
  const measured = Object.entries(rows)
    .filter((row): row is [string, Measured] => isMeasured(row[1]))
    .sort(([, a], [, b]) => a.median - b.median)
  const lines = measured.map(([peer, row]) => [
    labelOf(peer),
    figure(row.median, places),
    between(row, places),
    figure(row.ratio.median, 2),
    between(row.ratio, 2),
    figure(row.processor.median),
    figure(row.processor.ratio.median, 2),
  ])
  const bars = measured.map(([peer, { median }]) => ({
    label: labelOf(peer),
    value: median,
    shown: figure(median, places),
  }))
  const columns = [title, unit, 'middle half', `to ${base}`, 'middle half']
  const processor = ['processor ns', `to ${base}`]
  return `${table([...columns, ...processor], lines)}${skippedOf(rows)}\n\n${chart(bars)}`
}

function heapTable(heap: HeapResult): string {
  const lines = Object.entries(heap).flatMap(([peer, row]) =>
    'skipped' in row ? [] : [[labelOf(peer), figure(row.pool), figure(row.resource)]],
  )
  return table(['Heap', 'bytes/idle pool', 'bytes/idle resource'], lines) + skippedOf(heap)
}

function afterForkTable(result: AfterForkResult): string {
  const lines = Object.entries(result).flatMap(([what, row]) => {
    if ('skipped' in row) return []
    const { firstAnswer, afterFork, newPool } = row
    return [
      [
        what,
        figure(firstAnswer.median, 2),
        between(firstAnswer, 2),
        figure(afterFork.median, 2),
        figure(newPool.median, 2),
      ],
    ]
  })
  const columns = ['After a fork, with', 'ms to the first answer', 'middle half']
  const parts = ['of it afterFork()', 'new pool, no fork']
  return table([...columns, ...parts], lines) + skippedOf(result)
}

function targets(verdicts: readonly Verdict[]): string {
  return table(
    ['Target', 'limit', 'measured', 'by launch', ''],
    verdicts.map(({ target, limit, measured, interval, outcome }) => [
      target,
      limit,
      measured === undefined ? '' : measured.toFixed(2),
      interval === undefined ? '' : between({ quartiles: interval }, 2),
      outcome,
    ]),
  )
}

function skippedOf(rows: Readonly<Record<string, object>>): string {
  return Object.entries(rows)
    .map(([name, row]) =>
      'skipped' in row ? `\n${labelOf(name)}: skipped: ${String(row.skipped)}` : '',
    )
    .join('')
}

function labelOf(peer: string): string {
  return (labels as Readonly<Record<string, string>>)[peer] ?? peer
}
