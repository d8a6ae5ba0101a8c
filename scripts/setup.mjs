// @ts-check
// The first step of `npm run demo` and `npm test`. Uses only Node's own modules, because nothing is installed yet.
import { pnpm } from './pnpm.mjs'
import { run } from './tools.mjs'

/** Installs and builds. Takes two seconds if there is nothing to do. */
export async function setup() {
  checkNode()
  await install()
  await build()
}

export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return
  throw new Error(
    `forksafe needs Node 20.19, or 22.12 or later; this is Node ${process.versions.node}`,
  )
}

export async function install() {
  // Replaces a node_modules of another pnpm without a prompt, which nobody may be there to answer.
  const noQuestions = '--config.confirm-modules-purge=false'
  await run('Installing', await pnpm('install', '--frozen-lockfile', noQuestions))
}

export async function build() {
  await run('Building', await turbo('build'))
}

/** @param {string} task */
export async function turbo(task) {
  return await pnpm('exec', 'turbo', 'run', task, '--output-logs=new-only')
}
