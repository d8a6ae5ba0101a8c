// @ts-check
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { canInstall, install } from './debian.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {{ path: string, version: string, source: 'machine' | 'debian' }} Program
 */

const MORE_PLACES = ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin']
/**
 * What Redis is depends on the name it is called by, and all are one program. Debian has it in `redis-tools` under the
 * second name, without the service that `redis-server` would start.
 */
const NAMES = ['redis-server', 'redis-check-rdb']
export const CALLED = 'redis-server'
const DEBIAN_PACKAGE = 'redis-tools'
const OLDEST_MAJOR = 6

/**
 * Finds a Redis which the account can run; as root on Debian installs one that is missing.
 * @param {Account} account
 * @returns {Promise<Program>} to be called as `CALLED`
 */
export async function findProgram(account) {
  const there = onThisMachine(account) ?? (canInstall() ? await fromDebian(account) : undefined)
  if (there) return there
  throw nothingFound()
}

/**
 * @param {Account} account
 * @returns {Promise<Program | undefined>}
 */
async function fromDebian(account) {
  try {
    await install(DEBIAN_PACKAGE)
  } catch (error) {
    throw nothingFound(error)
  }
  const program = onThisMachine(account)
  return program && { ...program, source: 'debian' }
}

/**
 * @param {Account} account
 * @returns {Program | undefined}
 */
function onThisMachine(account) {
  const places = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  for (const place of [...places, ...MORE_PLACES]) {
    for (const name of NAMES) {
      const path = join(place, name)
      const version = versionOf(path, account)
      if (version !== undefined) return { path, version, source: 'machine' }
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
  const version = /\bv=(\d+(\.\d+)+)/.exec(stdout ?? '')?.[1]
  return version !== undefined && Number.parseInt(version) >= OLDEST_MAJOR ? version : undefined
}

/** @param {unknown} [cause] */
function nothingFound(cause) {
  return new Error(
    `Found no Redis that can be run. Install Redis ${OLDEST_MAJOR} or later so that redis-server is in PATH, ` +
      'or set FORKSAFE_REDIS_URL to the address of a running server.',
    { cause },
  )
}
