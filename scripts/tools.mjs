// @ts-check
// Uses only Node's own modules, because nothing may be installed yet when this runs.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {{ command: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string, nice?: boolean }} Command `nice`: runs with low priority */

export const root = fileURLToPath(new URL('..', import.meta.url))

const SAY_SO_AFTER_MILLIS = 2_000

/**
 * Installs an npm package into `.cache`, unless it is there.
 * @param {string} folder
 * @param {string} name
 * @param {string} version
 * @param {string[]} others more packages, as in `name@version`
 * @returns {Promise<string>} the folder of its node_modules
 */
export async function npmPackage(folder, name, version, others = []) {
  const home = join(root, '.cache', folder)
  const modules = join(home, 'node_modules')
  if (!existsSync(join(modules, name, 'package.json'))) {
    mkdirSync(home, { recursive: true })
    // With a package.json, npm installs here. With --prefix, it would ignore the machine's npmrc.
    writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
    const args = ['install', '--no-audit', '--no-fund', `${name}@${version}`, ...others]
    await run(`Fetching ${name} ${version}`, {
      command: 'npm',
      args,
      env: environment(),
      cwd: home,
    })
  }
  return modules
}

/**
 * Returns the environment for all commands, with this Node first in PATH and without telemetry.
 * @param {...string} path folders for PATH
 * @returns {NodeJS.ProcessEnv}
 */
export function environment(...path) {
  const { NODE_ENV: _, ...rest } = process.env // With `production`, development dependencies would be omitted.
  return {
    ...rest,
    PATH: [...path, dirname(process.execPath), process.env['PATH']].join(delimiter),
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    npm_config_loglevel: 'warn', // `npm test --silent` must not hide why an install failed.
    npm_config_update_notifier: 'false',
  }
}

/**
 * Runs a command, and shows its output on stderr only if it fails.
 * @param {string} what
 * @param {Command} command
 */
export async function run(what, { command, args, env, cwd = root, nice = false }) {
  const slow = setTimeout(() => console.error(`${what} …`), SAY_SO_AFTER_MILLIS)
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  if (nice) giveWay(child)
  /** @type {Buffer[]} */
  const output = []
  child.stdout.on('data', (chunk) => output.push(chunk))
  child.stderr.on('data', (chunk) => output.push(chunk))
  const failure = await outcome(child)
  clearTimeout(slow)
  if (failure === undefined) return
  process.stderr.write(Buffer.concat(output))
  throw new Error(`${what} failed, ${failure}: ${command} ${args.join(' ')}`)
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<string | undefined>} why it failed, if it did
 */
export function outcome(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => {
      resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`))
    })
  })
}

/** @param {import('node:child_process').ChildProcess} child */
export function giveWay({ pid }) {
  if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW)
}
