import { delimiter, join } from 'node:path'
import { type Account, outputOf } from './account.ts'
import { canInstall, install } from './debian.ts'

/** A program to look for. */
export interface Wanted {
  /** Names it may have; the first that is found is taken. */
  readonly names: readonly string[]
  /** Folders to look into besides those in PATH. */
  readonly places: readonly string[]
  /** Arguments with which it prints its version. Default `--version`. */
  readonly args?: readonly string[]
  /** The name it is called by, if that differs from the file's. */
  readonly argv0?: string
  /** Matches the version in what it prints, as the first group. */
  readonly version: RegExp
  /** The oldest version that will do. */
  readonly oldest: readonly [major: number, minor: number]
  /** The packages of Debian that have it. */
  readonly packages: readonly string[]
  /** The error message if there is none. */
  readonly missing: string
}

export interface Found {
  readonly path: string
  readonly version: string
}

export type Source = 'machine' | 'debian'

/** Finds a program that the account can run. As root on Debian, installs one that is missing. */
export async function findProgram(
  account: Account,
  wanted: Wanted,
): Promise<Found & { readonly source: Source }> {
  const look = (): Found | undefined => lookFor(account, wanted)
  const { program, source } = await findOrInstall(look, wanted.packages, wanted.missing)
  return { ...program, source }
}

/** Looks for something; as root on Debian, installs these packages and looks again. */
export async function findOrInstall<P>(
  look: () => P | undefined,
  packages: readonly string[],
  missing: string,
): Promise<{ program: P; source: Source }> {
  const there = look()
  if (there !== undefined) return { program: there, source: 'machine' }
  if (!canInstall()) throw new Error(missing)
  try {
    for (const name of packages) await install(name)
  } catch (cause) {
    throw new Error(missing, { cause })
  }
  const program = look()
  if (program === undefined) throw new Error(missing)
  return { program, source: 'debian' }
}

/** Looks for a program in PATH and in its other places. */
export function lookFor(
  account: Account,
  { names, places, args = ['--version'], argv0, version, oldest }: Wanted,
): Found | undefined {
  for (const place of [...pathFolders(), ...places]) {
    for (const path of names.map((name) => join(place, name))) {
      const found = version.exec(outputOf(account, path, args, argv0))?.[1]
      if (found !== undefined && isRecent(found, oldest)) return { path, version: found }
    }
  }
  return undefined
}

export function pathFolders(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
}

function isRecent(version: string, [oldestMajor, oldestMinor]: Wanted['oldest']): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}
