// @ts-check
// `npm run mutate`: breaks the promises of forksafe, one at a time, and reports whether a test fails.
//   npm run mutate -- snapshot           only mutations whose name contains that
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { environment, outcome, root } from './tools.mjs'

const wanted = process.argv.slice(2).find((arg) => arg !== '--') ?? ''
await setup()
const { mutations } = await import('@forksafe/scripts/mutations')
const chosen = mutations.filter(({ name }) => name.includes(wanted))

// A test that always fails would detect every mutation.
for (const tests of new Set(chosen.map(({ tests }) => tests.join(' ')))) {
  if (await passes(tests.split(' '))) continue
  throw new Error(`Expected ${tests} to pass with nothing broken`)
}

/** @type {string[]} */
const survivors = []
for (const mutation of chosen) {
  const started = performance.now()
  const survived = await passes(mutation.tests, mutation.name)
  if (survived) survivors.push(mutation.name)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${survived ? 'SURVIVED' : 'noticed '} ${mutation.name} (${seconds} s)`)
}
console.log(`\n${chosen.length - survivors.length} noticed, ${survivors.length} survived`)
process.exitCode = survivors.length === 0 && chosen.length > 0 ? 0 : 1

/**
 * @param {readonly string[]} tests
 * @param {string} [mutation]
 */
async function passes(tests, mutation) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--bail=1', ...tests], {
    cwd: root,
    env: { ...environment(), ...(mutation && { FORKSAFE_MUTATION: mutation }) },
    stdio: 'ignore',
  })
  return (await outcome(child)) === undefined
}
