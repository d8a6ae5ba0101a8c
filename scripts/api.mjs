// @ts-check
// `npm run api`: writes packages/*/api/*.api.md, the exports of each entry of each package.
//   npm run api -- --check               lists outdated reports, and writes nothing
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { apiReport } from './packages/api-report.mjs'
import { published } from './packages/published.mjs'
import { setup } from './setup.mjs'
import { root } from './tools.mjs'

const check = process.argv.includes('--check')
if (!check) await setup()

/** @type {string[]} */
const problems = []
for (const { folder, manifest } of published()) {
  /** @type {Map<string, string>} */
  const reports = new Map()
  for (const [entry, { types }] of Object.entries(manifest.exports)) {
    const { report, problems: found } = apiReport(folder, types)
    problems.push(...found)
    reports.set(`${entry === '.' ? 'index' : basename(entry)}.api.md`, report)
  }
  keep(join(folder, 'api'), reports)
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1

/**
 * Makes the folder contain exactly these reports. With `--check`, reports the differences instead.
 * @param {string} folder
 * @param {Map<string, string>} reports
 */
function keep(folder, reports) {
  const there = existsSync(folder) ? readdirSync(folder) : []
  for (const name of new Set([...reports.keys(), ...there])) {
    const path = join(folder, name)
    const report = reports.get(name)
    const committed = existsSync(path) ? readFileSync(path, 'utf8') : undefined
    if (report === committed) continue
    if (check) {
      problems.push(`${relative(root, path)} is not what is exported: run \`npm run api\``)
      show(path, report ?? '')
    } else if (report === undefined) rmSync(path)
    else {
      mkdirSync(folder, { recursive: true })
      writeFileSync(path, report)
    }
  }
}

/**
 * @param {string} path
 * @param {string} report
 */
function show(path, report) {
  const committed = existsSync(path) ? path : '/dev/null'
  const args = ['diff', '--no-index', '--no-ext-diff', '--', committed, '-']
  const { stdout } = spawnSync('git', args, { input: report, encoding: 'utf8' })
  console.error(stdout)
}
