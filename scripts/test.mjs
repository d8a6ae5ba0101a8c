// @ts-check
// `npm test`: everything there is to check, on every Node there is to check it on.
//   npm test -- --project core           arguments after -- go to vitest
//   FORKSAFE_NODES=20,22 npm test        on these Nodes instead of 20, 22, 24 and 26
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { countTests } from './count-tests.mjs'
import { SUPPORTED } from './nodes.mjs'
import { installWithOldestPeers } from './oldest-peers.mjs'
import { prove } from './proof/page.mjs'
import { build, checkNode, install, turbo } from './setup.mjs'
import { plan } from './test-plan.mjs'
import { environment, outcome, root, run } from './tools.mjs'

const total = { passed: 0, failed: 0 }
/** @type {string[]} */
const verdicts = []
/** What vitest wrote, by line of Node. @type {Record<string, string | undefined>} */
const reports = {}
/** Arguments for vitest. */
const given = process.argv.slice(2).filter((arg, index) => index > 0 || arg !== '--')

try {
  checkNode()
  if (await step('install', install)) {
    await step('build', build)
    // Most of them want one processor.
    await Promise.all([checkSources(), checkProducts()])
    for (const { title, major, find, chosen, types, postgres, oldestPeers } of plan()) {
      await step(title, async () => {
        const args = given.length > 0 ? given : chosen
        const variables = { ...(postgres && { FORKSAFE_PG_SOURCE: postgres }), ...types }
        const testIn = async (/** @type {string} */ folder) =>
          await test(await find(), args, folder, variables)
        const { count, report } = await (oldestPeers ? withOldestPeers(testIn) : testIn(root))
        reports[major] = report
        return count
      })
    }
    // What is tested last is what a user installs.
    if (given.length === 0) await step('rehearsal', () => script('rehearse.mjs'))
    // A page is made of a whole run, on every line of Node.
    if (given.length === 0 && SUPPORTED.every((major) => reports[major] !== undefined)) {
      await step('proof', async () => proof())
    }
  }
} catch (error) {
  fail(error)
}
console.log(`\n${verdicts.join('\n')}\n`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1

async function checkSources() {
  await step('lint', () => run('Linting', tool('oxlint/bin/oxlint', '--deny-warnings')))
  await step('dead code', () => run('Looking for it', tool('knip/bin/knip.js')))
  await step('format', () => run('Checking', tool('prettier/bin/prettier.cjs', '--check', '.')))
  await step('typecheck', async () => run('Type checking', await turbo('typecheck')))
}

async function checkProducts() {
  await step('api', () => script('api.mjs', '--check'))
  await step('packages', () => script('check-packages.mjs'))
  await step('site', () => {
    const args = [join(root, 'docs/build.mjs')]
    return run('Building the site', { command: process.execPath, args, env: environment() })
  })
  const coverage = tool('vitest/vitest.mjs', 'run', '--project', 'core', '--coverage')
  await step('coverage', () => run('Measuring', coverage))
}

/**
 * @param {string} name
 * @param {() => Promise<Pick<import('./count-tests.mjs').Count, 'passed' | 'failed'> | void>} work
 * @returns {Promise<boolean>} whether it went well
 */
async function step(name, work) {
  const started = performance.now()
  let ok = false
  try {
    const { passed, failed } = (await work()) ?? { passed: 0, failed: 0 }
    total.passed += passed
    total.failed += failed
    ok = failed === 0
  } catch (error) {
    fail(error)
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const verdict = `${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`
  verdicts.push(verdict)
  console.log(verdict)
  return ok
}

/** @param {unknown} error */
function fail(error) {
  total.failed += 1
  console.error(error instanceof Error ? error.message : error)
}

/**
 * @param {string} script
 * @param {string[]} args
 */
function tool(script, ...args) {
  const path = join(root, 'node_modules', script)
  return { command: process.execPath, args: [path, ...args], env: environment() }
}

/**
 * @template T
 * @param {(folder: string) => Promise<T>} work
 */
async function withOldestPeers(work) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'forksafe-oldest-')))
  try {
    await installWithOldestPeers(folder)
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Runs one of the scripts and shows what it prints.
 * @param {string} name
 * @param {string[]} args
 */
async function script(name, ...args) {
  const path = join(root, 'scripts', name)
  const child = spawn(process.execPath, [path, ...args], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const failure = await outcome(child)
  if (failure !== undefined) throw new Error(`scripts/${name} failed, ${failure}`)
}

/**
 * @param {string} node the executable of the Node to test on
 * @param {string[]} given arguments for vitest
 * @param {string} folder the tree
 * @param {NodeJS.ProcessEnv} variables
 */
async function test(node, given, folder, variables) {
  const reports = mkdtempSync(join(tmpdir(), 'forksafe-test-'))
  const report = join(reports, 'vitest.json')
  const args = [
    join(folder, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--allowOnly=false', // A forgotten .only would hide the other tests.
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...given,
  ]
  const child = spawn(node, args, {
    cwd: folder,
    env: { ...environment(dirname(node)), ...variables },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    const failure = await outcome(child)
    const written = readIfThere(report)
    const count = countTests(written, failure)
    for (const problem of count.problems) console.error(problem)
    return { count, report: written?.replaceAll(join(folder, '/'), root) }
  } finally {
    rmSync(reports, { recursive: true })
  }
}

/** Puts what the tests have shown into the page on process changes; in CI it must be there already. */
function proof() {
  const path = join(root, 'docs/process-changes.md')
  const committed = readFileSync(path, 'utf8')
  const inOrder = SUPPORTED.map((major) => [major, reports[major] ?? ''])
  const { page, problems } = prove(committed, Object.fromEntries(inOrder))
  if (page !== committed && process.env['CI']) {
    problems.push(
      'docs/process-changes.md does not say what the tests show: run `npm test`, and commit it',
    )
  } else if (page !== committed) writeFileSync(path, page)
  for (const problem of problems) console.error(problem)
  return { passed: 0, failed: problems.length }
}

/** @param {string} path */
function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}
