// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchmark } from './draw/all.mjs'
import { charts } from './draw/bench.mjs'

/**
 * Writes `generated/benchmarks.md`: the charts of the committed run, and its environment. The file is empty if no run is
 * committed.
 * @param {string} docs
 */
export function writeBenchmarks(docs) {
  mkdirSync(join(docs, 'generated'), { recursive: true })
  writeFileSync(join(docs, 'generated/benchmarks.md'), page())
}

function page() {
  const bench = benchmark()
  if (bench === undefined) return ''
  const { node, platform, cpu, cores, peers, postgres } = bench.environment
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`)
  if (postgres !== undefined) versions.push(`PostgreSQL ${postgres}`)
  const pictures = charts(bench).map(({ file, title }) => `![${title}](./pictures/${file})`)
  return [
    '## One run',
    `Node ${node}, ${platform}, ${cores} × ${cpu}; ${versions.join(', ')}. The [data](./pictures/bench.json).`,
    pictures.join('\n'),
    '',
  ].join('\n\n')
}
