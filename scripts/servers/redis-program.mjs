// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findOrInstall, isRecent, places } from './find-program.mjs'

/** @typedef {import('./account.mjs').Account} Account */

const MORE_PLACES = ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin']
/**
 * What Redis is depends on the name it is called by, and all are one program. Debian has it in `redis-tools` under the
 * second name, without the service that `redis-server` would start.
 */
const NAMES = ['redis-server', 'redis-check-rdb']
export const CALLED = 'redis-server'
const DEBIAN_PACKAGE = 'redis-tools'
const OLDEST_MAJOR = 6
const NOTHING_FOUND =
  `Found no Redis that can be run. Install Redis ${OLDEST_MAJOR} or later so that redis-server is in PATH, ` +
  'or set FORKSAFE_REDIS_URL to the address of a running server.'

/**
 * Finds a Redis which the account can run, to be called as `CALLED`; as root on Debian installs one that is missing.
 * @param {Account} account
 */
export async function findProgram(account) {
  const look = () => onThisMachine(account)
  const { program, source } = await findOrInstall(look, [DEBIAN_PACKAGE], NOTHING_FOUND)
  return { ...program, source }
}

/** @param {Account} account */
function onThisMachine(account) {
  for (const place of places(...MORE_PLACES)) {
    for (const name of NAMES) {
      const path = join(place, name)
      const version = versionOf(path, account)
      if (version !== undefined && isRecent(version, [OLDEST_MAJOR, 0])) return { path, version }
    }
  }
  return undefined
}

/**
 * @param {string} path
 * @param {Account} account
 */
function versionOf(path, account) {
  const { stdout } = spawnSync(path, ['--version'], {
    ...account,
    argv0: CALLED,
    cwd: '/',
    encoding: 'utf8',
  })
  return /\bv=(\d+(\.\d+)+)/.exec(stdout ?? '')?.[1]
}
