// @ts-check
import { delimiter } from 'node:path'
import { canInstall, install } from './debian.mjs'

/**
 * Finds a program on this machine; as root on Debian installs one that is missing.
 * @template P
 * @param {() => P | undefined} look
 * @param {string[]} packages Debian's
 * @param {string} nothingFound what to say where there is none to be had
 * @returns {Promise<{ program: P, source: 'machine' | 'debian' }>}
 */
export async function findOrInstall(look, packages, nothingFound) {
  const there = look()
  if (there !== undefined) return { program: there, source: 'machine' }
  if (!canInstall()) throw new Error(nothingFound)
  try {
    for (const name of packages) await install(name)
  } catch (cause) {
    throw new Error(nothingFound, { cause })
  }
  const program = look()
  if (program === undefined) throw new Error(nothingFound)
  return { program, source: 'debian' }
}

/**
 * Where to look for a program: in PATH, then in some more places.
 * @param {...string} more
 */
export function places(...more) {
  return [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...more]
}

/**
 * @param {string | undefined} version as in `'10.11.6'`
 * @param {[number, number]} oldest
 */
export function isRecent(version, [oldestMajor, oldestMinor]) {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}
