// @ts-check
// `npm run mutate`: breaks the promises of forksafe, one at a time, and reports whether a test fails.
//   npm run mutate -- snapshot           only mutations whose name contains that
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { environment, outcome, root, run } from './tools.mjs'

const wanted = process.argv.slice(2).find((arg) => arg !== '--') ?? ''
await setup()
const { mutations } = await import('@forksafe/scripts/mutations')
const chosen = mutations.filter(({ name }) => name.includes(wanted))

// A test that always fails would detect every mutation.
for (const tests of new Set(chosen.map(({ tests }) => tests.join(' ')))) {
  await run(`Testing ${tests} with nothing broken`, vitest(tests.split(' ')))
}

/** @type {string[]} */
const survivors = []
for (const mutation of chosen) {
  const started = performance.now()
  const survived = await survives(mutation)
  if (survived) survivors.push(mutation.name)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${survived ? 'SURVIVED' : 'noticed '} ${mutation.name} (${seconds} s)`)
}
console.log(`\n${chosen.length - survivors.length} noticed, ${survivors.length} survived`)
process.exitCode = survivors.length === 0 && chosen.length > 0 ? 0 : 1

/** @param {import('@forksafe/scripts/mutations').Mutation} mutation */
async function survives({ name, tests }) {
  const { command, args, env } = vitest(tests)
  const child = spawn(command, args, {
    cwd: root,
    env: { ...env, FORKSAFE_MUTATION: name },
    stdio: 'ignore',
  })
  return (await outcome(child)) === undefined
}

/** @param {readonly string[]} tests */
function vitest(tests) {
  const program = join(root, 'node_modules/vitest/vitest.mjs')
  return {
    command: process.execPath,
    args: [program, 'run', '--bail=1', ...tests],
    env: environment(),
  }
}
