// @ts-check
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { canRun } from './account.mjs'
import { canInstall, install } from './debian.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {{ server: string, installer: string, version: string, source: 'machine' | 'debian' }} Programs
 */

const MORE_PLACES = ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
/** Debian has its programs in these, without the service that `mariadb-server` would start. */
const DEBIAN_PACKAGES = ['mariadb-server-core', 'mariadb-client-core']
/** Since then its programs go by these names. */
const OLDEST = [10, 5]

/**
 * Finds the programs of a MariaDB which the account can run; as root on Debian installs them where they are missing.
 * @param {Account} account
 * @returns {Promise<Programs>}
 */
export async function findPrograms(account) {
  const there = onThisMachine(account) ?? (canInstall() ? await fromDebian(account) : undefined)
  if (there) return there
  throw nothingFound()
}

/**
 * @param {Account} account
 * @returns {Promise<Programs | undefined>}
 */
async function fromDebian(account) {
  try {
    for (const name of DEBIAN_PACKAGES) await install(name)
  } catch (error) {
    throw nothingFound(error)
  }
  const programs = onThisMachine(account)
  return programs && { ...programs, source: 'debian' }
}

/**
 * @param {Account} account
 * @returns {Programs | undefined}
 */
function onThisMachine(account) {
  const places = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...MORE_PLACES]
  const find = (/** @type {string} */ name) =>
    places.map((place) => join(place, name)).find((path) => isProgram(account, path))
  const server = find('mariadbd')
  const installer = find('mariadb-install-db')
  const version = server && versionOf(server, account)
  if (!server || !installer || !version) return undefined
  return { server, installer, version, source: 'machine' }
}

/**
 * The installer answers nothing with success, not even a cry for help.
 * @param {Account} account
 * @param {string} path
 */
function isProgram(account, path) {
  return canRun(account, '/bin/sh', ['-c', 'test -f "$0" && test -x "$0"', path])
}

/**
 * @param {string} path
 * @param {Account} account
 */
function versionOf(path, account) {
  const { stdout } = spawnSync(path, ['--no-defaults', '--version'], {
    ...account,
    cwd: '/',
    encoding: 'utf8',
  })
  const version = /\d+\.\d+\.\d+(?=-MariaDB)/.exec(stdout)?.[0]
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
    ? version
    : undefined
}

/** @param {unknown} [cause] */
function nothingFound(cause) {
  return new Error(
    `Found no MariaDB that can be run. Install MariaDB ${OLDEST.join('.')} or later so that mariadbd and ` +
      'mariadb-install-db are in PATH, or set FORKSAFE_MYSQL_URL to the address of a running server.',
    { cause },
  )
}
