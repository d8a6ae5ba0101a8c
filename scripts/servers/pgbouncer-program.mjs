// @ts-check
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { canRun } from './account.mjs'
import { canInstall, install } from './debian.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {{ path: string, version: string }} Program
 */

/** Debian's place for it is not in everybody's PATH. */
const MORE_PLACES = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/**
 * Finds a PgBouncer which the account can run; as root on Debian installs one that is missing.
 * @param {Account} account
 * @returns {Promise<Program>}
 */
export async function findProgram(account) {
  const there = onThisMachine(account) ?? (canInstall() ? await fromDebian(account) : undefined)
  if (there) return there
  throw nothingFound()
}

/** @param {Account} account */
async function fromDebian(account) {
  try {
    await install('pgbouncer')
  } catch (error) {
    throw nothingFound(error)
  }
  return onThisMachine(account)
}

/**
 * @param {Account} account
 * @returns {Program | undefined}
 */
function onThisMachine(account) {
  const places = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  for (const place of [...places, ...MORE_PLACES]) {
    const path = join(place, 'pgbouncer')
    if (!canRun(account, path, ['--version'])) continue
    const { stdout } = spawnSync(path, ['--version'], { ...account, cwd: '/', encoding: 'utf8' })
    const version = /\d+(\.\d+)+/.exec(stdout)?.[0]
    if (version !== undefined) return { path, version }
  }
  return undefined
}

/** @param {unknown} [cause] */
function nothingFound(cause) {
  return new Error(
    'Found no PgBouncer that can be run. Install it so that pgbouncer is in PATH or /usr/sbin.',
    { cause },
  )
}
