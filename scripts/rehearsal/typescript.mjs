// @ts-check
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { environment, npmPackage, root, run } from '../tools.mjs'

/** The versions of TypeScript: the oldest supported, the newest, and some between. The project itself uses 6.0. */
const VERSIONS = ['5.4.5', '5.9.3', '7.0.2']
const OWN = join(root, 'node_modules/typescript')

/** @returns {Promise<string[]>} the folders of TypeScripts, the project's own last */
export async function typescripts() {
  /** @type {string[]} */
  const folders = []
  for (const version of VERSIONS) {
    const modules = await npmPackage(`typescript-${version}`, 'typescript', version)
    folders.push(join(modules, 'typescript'))
  }
  return [...folders, OWN]
}

/** The options of each module resolution. */
const RESOLUTIONS = {
  nodenext: '--module nodenext --moduleResolution nodenext',
  node16: '--module node16 --moduleResolution node16',
  bundler: '--module esnext --moduleResolution bundler --skipLibCheck',
  node10: '--module commonjs --moduleResolution node10',
  /** What TypeScript 6 and later choose for CommonJS instead of `node10`. */
  commonjs: '--module commonjs --skipLibCheck',
}
/** @typedef {keyof typeof RESOLUTIONS} Resolution */

/**
 * Compiles a file as a user would, in strict mode. Except with `bundler` and `commonjs`, also checks all declarations that it needs.
 * @param {string} typescript
 * @param {string} file
 * @param {Resolution} resolution
 * @returns {Promise<string[]>} the errors, except those in the declarations of other packages
 */
export async function errorsOf(typescript, file, resolution) {
  const options = ['--noEmit', ...RESOLUTIONS[resolution].split(' ')]
  const output = await tsc(typescript, file, options)
  const errors = output.split('\n').filter((line) => line.includes('error TS'))
  return errors.filter((line) => !/^node_modules\/(?!.*@forksafe\/)/.test(line))
}

/**
 * Returns the resolutions to try with a version of TypeScript, for an ES module and for a CommonJS file. TypeScript 6 deprecates
 * `node10`, and 7 has removed it. The versions between the oldest and the newest try each kind of file in the ways that differ most.
 * @param {string} typescript
 * @returns {{ module: Resolution[], commonjs: Resolution[] }}
 */
export function resolutionsOf(typescript) {
  const { version } = JSON.parse(readFileSync(join(typescript, 'package.json'), 'utf8'))
  const plain = Number.parseInt(version, 10) < 6 ? 'node10' : 'commonjs'
  const isBetween = version !== VERSIONS.at(0) && version !== VERSIONS.at(-1)
  if (isBetween) return { module: ['nodenext', 'bundler'], commonjs: ['node16', plain] }
  return {
    module: ['nodenext', 'node16', 'bundler'],
    commonjs: ['nodenext', 'node16', plain],
  }
}

/**
 * Compiles a file to JavaScript beside it, for versions of Node without `using`.
 * @param {string} file
 */
export async function compile(file) {
  const args = [join(OWN, 'bin/tsc'), ...strictly, '--module', 'nodenext', file]
  const cwd = dirname(file)
  await run('Compiling', { command: process.execPath, args, env: environment(), cwd })
}

const strictly = '--strict --types node --target es2022 --lib es2022,esnext.disposable'.split(' ')

/**
 * @param {string} typescript
 * @param {string} file
 * @param {string[]} options
 */
async function tsc(typescript, file, options) {
  const args = [join(typescript, 'bin/tsc'), ...strictly, ...options, file]
  const child = spawn(process.execPath, args, {
    cwd: dirname(file),
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return await text(child.stdout)
}
