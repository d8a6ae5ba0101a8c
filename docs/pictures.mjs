// @ts-check
// Draws the charts in docs/pictures from the data beside them. Both are committed.
//   npm run docs:pictures               draws them anew
//   npm run docs:pictures -- demo       runs the demo first, and keeps its result
//   npm run docs:pictures -- bench      runs the benchmark first: for a quarter of an hour, on a machine that does nothing else
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { draw, folder } from './build/draw/all.mjs'
import { root } from './build/repository.mjs'

const [what] = process.argv.slice(2)
if (what === 'demo') keep('demo.json', await demo())
else if (what === 'bench') keep('bench.json', bench())
else if (what !== undefined) throw new TypeError(`Expected demo, bench or nothing, got ${what}`)
for (const [file, svg] of Object.entries(draw())) writeFileSync(join(folder, file), svg)

async function demo() {
  const { compare } = await import('../examples/dist/demo/compare.js')
  const { QUERIES_PER_PROCESS } = await import('../examples/dist/demo/plan.js')
  const { postgresVersion, plain, forksafe } = await compare(new AbortController().signal, () => {})
  if (plain.unforked !== undefined) throw new Error(`No fork can be made here: ${plain.unforked}`)
  return {
    node: process.versions.node,
    postgres: postgresVersion,
    queriesPerProcess: QUERIES_PER_PROCESS,
    plain,
    forksafe,
  }
}

function bench() {
  const args = [join(root, 'bench/dist/main.js'), '--json']
  const { status, stdout } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`The benchmark failed with ${status}`)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
}

/**
 * @param {string} file
 * @param {unknown} data
 */
function keep(file, data) {
  writeFileSync(join(folder, file), `${JSON.stringify(data, undefined, 2)}\n`)
}
