import { existsSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { nodeSnapshot } from './snapshot.ts'
import type { PoolStats } from '../api/stats.ts'

/** One way for a process to tell that it is not the one that `settle` was last called in. */
export interface IdentitySource {
  readonly name: PoolStats['identity']
  /** Whether the process has changed since. Asked before every use of a pool: the cheaper the better. */
  changed(): boolean
  /** The same, at any price, where `changed` misses something to be cheap. */
  confirm?(): boolean
  /** Takes the present process for the known one. */
  settle(): void
}

/** The parts of koffi that are needed. It is an optional peer, so its types may be missing. */
export interface Koffi {
  load(path: null): { func(prototype: string): (...args: unknown[]) => unknown }
  view(pointer: unknown, bytes: number): ArrayBuffer
}

const PROT_READ_WRITE = 0x1 | 0x2
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20
const MADV_WIPEONFORK = 18
const PAGE_BYTES = 4096

/**
 * The best source that this machine has. `process.pid` is none: in a forked child it still holds the parent's pid.
 * `load` gives koffi, or `undefined` where it is not installed.
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

/** koffi, where it is installed; while a startup snapshot is built it is not loaded, for no add-on can be written. */
export function loadKoffi(
  from: readonly string[] = koffiPlaces(import.meta.url),
  building = nodeSnapshot.isBuildingSnapshot(),
): Koffi | undefined {
  if (building) return undefined
  for (const place of from) {
    try {
      return createRequire(place)('koffi') as Koffi
    } catch {
      // Not installed, or not for this platform; `stats.identity` says what stands in for it.
    }
  }
  return undefined
}

/** Where it is looked for: next to this module, or, from within a bundle that knows no place, where the program runs. */
export function koffiPlaces(here: string | undefined): string[] {
  return here === undefined ? [join(process.cwd(), 'package.json'), process.execPath] : [here]
}

/** Windows has no fork. */
export const noSource: IdentitySource = {
  name: 'none',
  changed: () => false,
  settle: () => undefined,
}

/**
 * A page that the kernel hands to every child filled with zeros (after AWS-LC). One read of memory tells, for nested
 * forks and reused pids too. `undefined` where the kernel refuses it: Linux before 4.14, or another's emulation of it.
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
    return undefined // mmap failed: its pointer cannot be viewed.
  }
  return {
    name: 'page',
    changed: () => page[0] === 0,
    settle: () => {
      page[0] = 1
    },
  }
}

/** The pid as the operating system has it now. */
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
 * The parent's pid, which Node asks the operating system for at each read. A parent that dies changes it too, and a
 * child that is adopted by init may have the same one again: `livePid` confirms in both cases. What it misses: a
 * process that a subreaper started, forked twice, and was adopted by that subreaper.
 */
export function ppidSource(livePid: () => number): IdentitySource {
  // V8 reads the properties of a prototype faster than those of an object as large as this one:
  // bench/README.md has the figures. Nor is it read through the global, which is an accessor.
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
