// @ts-check
// `npm test`: every check and every test, on the current Node.
//   npm test -- --project core           only these tests: arguments after -- go to vitest
//   FORKSAFE_NODES=all npm test          on every supported Node, as .ci/run does; or a list, such as 20,22
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { countTests } from './count-tests.mjs'
import { SUPPORTED } from './nodes.mjs'
import { installWithOldestPeers } from './oldest-peers.mjs'
import { pnpm } from './pnpm.mjs'
import { build, checkNode, install, turbo } from './setup.mjs'
import { leftOut, plan } from './test-plan.mjs'
import { environment, giveWay, outcome, root, run } from './tools.mjs'

const total = { passed: 0, failed: 0 }
/** @type {string[]} */
const verdicts = []
/** @type {string[]} */
const skipped = []
/** The reports of vitest, by line of Node. @type {Record<string, string[]>} */
const reports = {}
/** Arguments for vitest. */
const given = process.argv.slice(2).filter((arg, index) => index > 0 || arg !== '--')

try {
  checkNode()
  if ((await step('install', install)) && (await step('build', build))) {
    const planned = plan()
    const majors = planned.map(({ major }) => major)
    if (given.length > 0) {
      for (const node of planned) await testOn({ ...node, parts: [{ name: '', args: given }] })
      skipped.push('everything but these tests: vitest got arguments')
    } else {
      const [first, ...others] = planned
      const site = step('site', buildSite)
      // The tests mostly wait, so the checks run beside them.
      const checks = Promise.all([checkSources(), site.then(checkPackages)])
      if (first) await testOn(first, site)
      if (others.length > 0) {
        // Before the rehearsal, which needs them too.
        await step('fetch the other Nodes', () => fetchAll(others))
        // It gives way to the tests, which mostly wait.
        const rehearsal = step('rehearsal', () => script('rehearse.mjs'))
        for (const node of others) await testOn(node)
        await rehearsal
      }
      await checks
      await step('proofs', proofs)
      skipped.push(...leftOut(majors, SUPPORTED))
    }
  }
} catch (error) {
  fail(error)
}
console.log(`\n${verdicts.join('\n')}\n`)
for (const line of skipped) console.log(`skipped: ${line}`)
console.log(`\n${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1

async function checkSources() {
  await step('lint', () => run('Linting', tool('oxlint/bin/oxlint', '--deny-warnings')))
  await step('dead code', () => run('Looking for dead code', tool('knip/bin/knip.js')))
  await step('typecheck', async () =>
    run('Type checking', { ...(await turbo('typecheck')), nice: true }),
  )
  const prettier = tool('prettier/bin/prettier.cjs', '--check', '.')
  await step('format', () => run('Checking the format', prettier))
}

async function checkPackages() {
  await step('api', () => script('api.mjs', '--check'))
  const each = ['--filter', './packages/*', 'exec']
  const publint = await pnpm(...each, 'publint', 'run', '--strict')
  await step('publint', () => run('Checking the packages', { ...publint, nice: true }))
  const attw = await pnpm(...each, 'attw', '--pack', '.')
  await step('types of the packages', () => run('Checking types', { ...attw, nice: true }))
  await step('size', () => run('Measuring', tool('size-limit/bin.js')))
}

async function buildSite() {
  const args = [join(root, 'docs/build.mjs')]
  const command = { command: process.execPath, args, env: environment(), nice: true }
  await run('Building the site', command)
}

/** @param {ReturnType<typeof plan>} planned */
async function fetchAll(planned) {
  for (const { find } of planned) await find()
}

/**
 * @param {ReturnType<typeof plan>[number]} node
 * @param {Promise<unknown>} [site] is built
 */
async function testOn({ title, major, find, parts, postgres, oldestPeers }, site) {
  const variables = postgres === undefined ? {} : { FORKSAFE_PG_SOURCE: postgres }
  /** @param {string} folder */
  const testIn = async (folder) => {
    for (const { name, args } of parts) {
      if (name === 'the site') await site
      await step(name === '' ? title : `${title}: ${name}`, async () => {
        const { count, report } = await test(await find(), args, folder, variables)
        if (report !== undefined) (reports[major] ??= []).push(report)
        for (const line of count.skipped) {
          skipped.push(`on Node ${major}: ${line.replace(join(folder, '/'), '')}`)
        }
        return count
      })
    }
  }
  if (!oldestPeers) return await testIn(root)
  await withOldestPeers(testIn)
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
  return { command: process.execPath, args: [path, ...args], env: environment(), nice: true }
}

/** @param {(folder: string) => Promise<void>} work */
async function withOldestPeers(work) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'forksafe-oldest-')))
  try {
    if (await step('install the oldest peers', () => installWithOldestPeers(folder))) {
      await work(folder)
    }
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
  giveWay(child)
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
    '--allowOnly=false', // A forgotten `.only` would hide the other tests.
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

/** Every cell of the table of process changes must have a passing test, on each of these Nodes. */
async function proofs() {
  const { prove } = await import('@forksafe/scripts/proof/prove') // It is built by now.
  const problems = prove(reports)
  for (const problem of problems) console.error(problem)
  return { passed: 0, failed: problems.length }
}

/** @param {string} path */
function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}
