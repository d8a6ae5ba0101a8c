// @ts-check
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { environment, npmPackage, root, run } from '../tools.mjs'

/** The versions of TypeScript: the oldest supported, the newest, and some between. The project itself uses 6.0. */
const VERSIONS = ['5.4.5', '5.7.3', '5.9.3', '7.0.2']
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

/**
 * Compiles a file as a user would, in strict mode. With `nodenext`, also checks all declarations that it needs.
 * @param {string} typescript
 * @param {string} file
 * @param {'nodenext' | 'bundler'} resolution
 * @returns {Promise<string[]>} the errors, except those in the declarations of other packages
 */
export async function errorsOf(typescript, file, resolution) {
  const module = resolution === 'bundler' ? 'esnext --skipLibCheck' : 'nodenext'
  const options = `--noEmit --moduleResolution ${resolution} --module ${module}`
  const output = await tsc(typescript, file, options.split(' '))
  const errors = output.split('\n').filter((line) => line.includes('error TS'))
  return errors.filter((line) => !/^node_modules\/(?!.*@forksafe\/)/.test(line))
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
