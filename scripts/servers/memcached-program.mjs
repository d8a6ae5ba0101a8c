// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findOrInstall, isRecent, places } from './find-program.mjs'

/** @typedef {import('./account.mjs').Account} Account */

const MORE_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
/** Since then it serves TLS and plain connections side by side. @type {[number, number]} */
const OLDEST = [1, 6]
const NOTHING_FOUND = `Found no memcached that can be run. Install memcached ${OLDEST.join('.')} or later so that it is in PATH.`

/**
 * Finds a memcached which the account can run; as root on Debian installs one that is missing.
 * @param {Account} account
 */
export async function findProgram(account) {
  const look = () => onThisMachine(account)
  const { program, source } = await findOrInstall(look, ['memcached'], NOTHING_FOUND)
  return { ...program, source }
}

/** @param {Account} account */
function onThisMachine(account) {
  for (const place of places(...MORE_PLACES)) {
    const path = join(place, 'memcached')
    const version = versionOf(path, account)
    if (version !== undefined && isRecent(version, OLDEST)) return { path, version }
  }
  return undefined
}

/**
 * @param {string} path
 * @param {Account} account
 */
function versionOf(path, account) {
  const { stdout } = spawnSync(path, ['--version'], { ...account, cwd: '/', encoding: 'utf8' })
  return /^memcached (\d+(\.\d+)+)/.exec(stdout ?? '')?.[1]
}
