// @ts-check
// Runs the pnpm that package.json pins, on a machine that may have only npm: node scripts/pnpm.mjs exec turbo run build
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { environment, npmPackage, outcome, root } from './tools.mjs'

/**
 * Returns a command whose environment has `pnpm` in PATH, which turbo needs.
 * @param {string[]} args
 * @returns {Promise<import('./tools.mjs').Command>}
 */
export async function pnpm(...args) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const version = /^pnpm@([^+]+)/.exec(packageManager)?.[1] ?? 'latest' // The rest is a hash for corepack.
  // Cached, because npx would need a second each time to find it.
  const modules = await npmPackage(`pnpm-${version}`, 'pnpm', version)
  return {
    command: process.execPath,
    args: [join(modules, 'pnpm/bin/pnpm.cjs'), ...args],
    env: environment(join(modules, '.bin')),
  }
}

if (pathToFileURL(process.argv[1] ?? '').href === import.meta.url) {
  const { command, args, env } = await pnpm(...process.argv.slice(2))
  const failure = await outcome(spawn(command, args, { cwd: root, env, stdio: 'inherit' }))
  if (failure !== undefined) process.exitCode = 1
}
