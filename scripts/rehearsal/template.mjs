// @ts-check
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { environment, root, run } from '../tools.mjs'

/** The commands in the README of the driver template. */
const COMMANDS = ['install --no-audit --no-fund', 'run build', 'run typecheck', 'test']

/**
 * Copies the driver template into a folder, and builds and tests it there with the released packages.
 * @param {string} folder
 * @param {string} registry
 */
export async function tryTemplate(folder, registry) {
  cpSync(join(root, 'examples/driver-template'), folder, {
    recursive: true,
    filter: (path) => !/node_modules|dist/.test(path.slice(root.length)),
  })
  writeFileSync(join(folder, '.npmrc'), `@forksafe:registry=${registry}\n`)
  for (const command of COMMANDS) {
    const args = command.split(' ')
    const what = `npm ${command} in a copy of the driver template`
    await run(what, { command: 'npm', args, env: environment(), cwd: folder })
  }
}
