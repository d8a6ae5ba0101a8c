import { existsSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { nodeSnapshot } from './snapshot.ts'
import type { PoolStats } from '../api/stats.ts'

/** Detects that the process is not the one in which `settle` was last called. */
export interface IdentitySource {
  readonly name: PoolStats['identity']
  /** Tells whether the process has changed. Called before every use of a pool, so it must be cheap. */
  changed(): boolean
  /** Does the same reliably, at a higher cost, if `changed` can miss a change. */
  confirm?(): boolean
  /** Records the current process as the known one. */
  settle(): void
}

/** The used part of koffi. It is an optional peer, so its types may be missing. */
export interface Koffi {
  load(path: null): { func(prototype: string): (...args: unknown[]) => unknown }
  view(pointer: unknown, bytes: number): ArrayBuffer
}

const PROT_READ_WRITE = 0x1 | 0x2
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20
const MADV_WIPEONFORK = 18
const PAGE_BYTES = 4096

/**
 * Returns the best source that this machine offers. `process.pid` is not suitable: in a forked child it still holds the parent's
 * pid. `load` returns koffi, or `undefined` if it is not installed.
 */
export function bestSource(
  load: () => Koffi | undefined = loadKoffi,
  platform: string = process.platform,
): IdentitySource {
  const koffi = load()
  if (platform === 'win32') return noSource
  if (koffi !== undefined) {
    if (platform === 'linux') {
      const page = wipedPage(koffi)
      if (page !== undefined) return page
    }
    return pidSource(koffi)
  }
  return ppidSource(platform === 'linux' && existsSync('/proc/self') ? pidFromProc : pidFromReport)
}

const here = thisFile(nodeSnapshot.isBuildingSnapshot())

/**
 * Returns the path of this file. `undefined` in a bundle of ES modules, and while a startup snapshot is built, because the
 * snapshot may be started elsewhere.
 */
export function thisFile(building: boolean): string | undefined {
  return typeof __filename === 'string' && !building ? __filename : undefined
}

/** Loads koffi, if it is installed. Not while a startup snapshot is built, because a snapshot cannot contain an add-on. */
export function loadKoffi(
  from: readonly string[] = koffiPlaces(here),
  building = nodeSnapshot.isBuildingSnapshot(),
): Koffi | undefined {
  if (building) return undefined
  // Bundlers rewrite calls of an imported `createRequire`, and koffi must be resolved where the program runs.
  const { createRequire } = process.getBuiltinModule('node:module')
  for (const place of from) {
    try {
      return createRequire(place)('koffi') as Koffi
    } catch {
      // Not installed, or not for this platform. `stats.identity` names the source used instead.
    }
  }
  return undefined
}

/**
 * Returns the places to resolve koffi from: this module or the bundle that contains it. If that has no location, or a bundler
 * made one up: the program, the working folder, and the executable.
 */
export function koffiPlaces(file: string | undefined, program = process.argv[1]): string[] {
  if (file !== undefined && file !== process.execPath && existsSync(file)) return [file]
  const places = [program, join(process.cwd(), 'package.json'), process.execPath]
  return places.filter((place) => place !== undefined)
}

/** A source that never changes, for Windows, which has no fork. */
export const noSource: IdentitySource = { name: 'none', changed: () => false, settle() {} }

/**
 * Returns a source that uses a page which the kernel fills with zeros in every child (as in AWS-LC). A check is one read of
 * memory, and also works for nested forks and reused pids. Returns `undefined` if the kernel refuses: Linux before 4.14, or an
 * emulation of Linux.
 */
function wipedPage(koffi: Koffi): IdentitySource | undefined {
  const libc = koffi.load(null)
  const mmap = libc.func('void *mmap(intptr_t, size_t, int, int, int, intptr_t)')
  const madvise = libc.func('int madvise(void *, size_t, int)')
  const address = mmap(0, PAGE_BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
  let page: Uint8Array
  try {
    if (madvise(address, PAGE_BYTES, MADV_WIPEONFORK) !== 0) return undefined
    page = new Uint8Array(koffi.view(address, PAGE_BYTES))
  } catch {
    return undefined // `mmap` failed, so its pointer cannot be viewed.
  }
  return {
    name: 'page',
    changed: () => page[0] === 0,
    settle: () => {
      page[0] = 1
    },
  }
}

/** Returns a source that asks the operating system for the pid. */
function pidSource(koffi: Koffi): IdentitySource {
  const getpid = koffi.load(null).func('int getpid()')
  let known = getpid()
  return {
    name: 'pid',
    changed: () => getpid() !== known,
    settle: () => {
      known = getpid()
    },
  }
}

/**
 * Returns a source that reads the parent's pid, for which Node asks the operating system at each read. The parent's pid also
 * changes when the parent dies, and stays the same if a child is adopted by init: `livePid` confirms in both cases. It misses
 * one case: a process started by a subreaper that forks twice and is adopted by that subreaper.
 */
export function ppidSource(livePid: () => number): IdentitySource {
  // V8 reads properties of a prototype faster than those of an object as large as `process` (figures in bench/README.md). The
  // imported `process` is used because the global one is an accessor.
  const live = Object.create(process) as { readonly ppid: number }
  let ppid = live.ppid
  let pid = livePid()
  return {
    name: 'ppid',
    changed: () => {
      const now = live.ppid
      if (now === ppid && now > 1) return false
      if (livePid() !== pid) return true
      ppid = now
      return false
    },
    confirm: () => livePid() !== pid,
    settle: () => {
      ppid = live.ppid
      pid = livePid()
    },
  }
}

function pidFromProc(): number {
  return Number(readlinkSync('/proc/self'))
}

function pidFromReport(): number {
  const report = process.report.getReport() as unknown as { header: { processId: number } }
  return report.header.processId
}
