// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { canRun } from './account.mjs'
import { findOrInstall, places } from './find-program.mjs'

/** @typedef {import('./account.mjs').Account} Account */

/** Debian's place for it is not in everybody's PATH. */
const MORE_PLACES = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']
const NOTHING_FOUND =
  'Found no PgBouncer that can be run. Install it so that pgbouncer is in PATH or /usr/sbin.'

/**
 * Finds a PgBouncer which the account can run; as root on Debian installs one that is missing.
 * @param {Account} account
 */
export async function findProgram(account) {
  const look = () => onThisMachine(account)
  return (await findOrInstall(look, ['pgbouncer'], NOTHING_FOUND)).program
}

/** @param {Account} account */
function onThisMachine(account) {
  for (const place of places(...MORE_PLACES)) {
    const path = join(place, 'pgbouncer')
    if (!canRun(account, path, ['--version'])) continue
    const { stdout } = spawnSync(path, ['--version'], { ...account, cwd: '/', encoding: 'utf8' })
    const version = /\d+(\.\d+)+/.exec(stdout)?.[0]
    if (version !== undefined) return { path, version }
  }
  return undefined
}
