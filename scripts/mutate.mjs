// @ts-check
// `npm run mutate`: breaks what the name forksafe promises, one thing at a time, and tells whether a test notices.
//   npm run mutate -- snapshot           only mutations whose name has that in it
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mutations } from './mutation/mutations.mjs'
import { mutated } from './mutation/plugin.mjs'
import { setup } from './setup.mjs'
import { environment, outcome, root } from './tools.mjs'

const wanted = process.argv.slice(2).find((arg) => arg !== '--') ?? ''
const chosen = mutations.filter(({ name }) => name.includes(wanted))
await setup()

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

/** @param {import('./mutation/mutations.mjs').Mutation} mutation */
async function survives({ name, file, find, replace, tests }) {
  mutated(readFileSync(join(root, file), 'utf8'), find, replace) // A mutation that changes nothing proves nothing.
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--bail=1', '--typecheck.enabled=false', ...tests],
    { cwd: root, env: { ...environment(), FORKSAFE_MUTATION: name }, stdio: 'ignore' },
  )
  return (await outcome(child)) === undefined
}
