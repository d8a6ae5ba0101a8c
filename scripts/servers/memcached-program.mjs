// @ts-check
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { canInstall, install } from './debian.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {{ path: string, version: string, source: 'machine' | 'debian' }} Program
 */

const MORE_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
/** Since then it serves TLS and plain connections side by side. */
const OLDEST = [1, 6]

/**
 * Finds a memcached which the account can run; as root on Debian installs one that is missing.
 * @param {Account} account
 * @returns {Promise<Program>}
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
    await install('memcached')
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
    const path = join(place, 'memcached')
    const version = versionOf(path, account)
    if (version !== undefined) return { path, version, source: 'machine' }
  }
  return undefined
}

/**
 * @param {string} path
 * @param {Account} account
 */
function versionOf(path, account) {
  const { stdout } = spawnSync(path, ['--version'], { ...account, cwd: '/', encoding: 'utf8' })
  const version = /^memcached (\d+(\.\d+)+)/.exec(stdout ?? '')?.[1]
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
    ? version
    : undefined
}

/** @param {unknown} [cause] */
function nothingFound(cause) {
  return new Error(
    `Found no memcached that can be run. Install memcached ${OLDEST.join('.')} or later so that it is in PATH.`,
    { cause },
  )
}
