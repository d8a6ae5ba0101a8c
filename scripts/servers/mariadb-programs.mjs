// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { canRun } from './account.mjs'
import { findOrInstall, isRecent, places } from './find-program.mjs'

/** @typedef {import('./account.mjs').Account} Account */

const MORE_PLACES = ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
/** Debian has its programs in these, without the service that `mariadb-server` would start. */
const DEBIAN_PACKAGES = ['mariadb-server-core', 'mariadb-client-core']
/** Since then its programs go by these names. @type {[number, number]} */
const OLDEST = [10, 5]
const NOTHING_FOUND =
  `Found no MariaDB that can be run. Install MariaDB ${OLDEST.join('.')} or later so that mariadbd and ` +
  'mariadb-install-db are in PATH, or set FORKSAFE_MYSQL_URL to the address of a running server.'

/**
 * Finds the programs of a MariaDB which the account can run; as root on Debian installs them where they are missing.
 * @param {Account} account
 */
export async function findPrograms(account) {
  const look = () => onThisMachine(account)
  const { program, source } = await findOrInstall(look, DEBIAN_PACKAGES, NOTHING_FOUND)
  return { ...program, source }
}

/** @param {Account} account */
function onThisMachine(account) {
  const find = (/** @type {string} */ name) =>
    places(...MORE_PLACES)
      .map((place) => join(place, name))
      .find((path) => isProgram(account, path))
  const server = find('mariadbd')
  const installer = find('mariadb-install-db')
  const version = server && versionOf(server, account)
  if (!server || !installer || !version || !isRecent(version, OLDEST)) return undefined
  return { server, installer, version }
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
  return /\d+\.\d+\.\d+(?=-MariaDB)/.exec(stdout)?.[0]
}
