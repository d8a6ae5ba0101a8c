import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type * as Koffi from 'koffi'

const MADV_DOFORK = 11
const PR_SET_PDEATHSIG = 1
const O_CLOEXEC = 0o2000000
const WNOHANG = 1

/** The exit status of a process. */
export interface ExitStatus {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** The system calls that a fork needs. */
export interface Libc {
  /** Returns the current pid. `process.pid` is a copy from the start, which is wrong in a forked child. */
  getpid(): number
  getppid(): number
  /** Creates a pipe. Both ends are blocking, and closed by `exec`. */
  pipe(): { readFd: number; writeFd: number }
  /** Forks. Returns 0 in the child, which then has its own event loop, and the child's pid in the parent. Throws on failure. */
  fork(): number
  /** Reaps the child `pid`. Returns its exit status, or `undefined` while it runs. */
  reap(pid: number): ExitStatus | undefined
  /** Makes the kernel kill this process once its parent has ended. */
  dieWithParent(): void
  /** Makes the kernel kill this process after that many seconds. */
  dieAfter(seconds: number): void
  /** Exits without running any handler: in a forked child `process.exit()` crashes. */
  exit(code: number): never
}

/** @throws the error of koffi if it is not installed or has no build for this machine. */
export function loadLibc(): Libc {
  const koffi = createRequire(__filename)('koffi') as typeof Koffi
  const native = koffi.load(null)
  const getpid = native.func('int getpid()') as () => number
  const getppid = native.func('int getppid()') as () => number
  const pipe2 = native.func('int pipe2(_Out_ int *, int)') as (
    fds: Int32Array,
    flags: number,
  ) => number
  const madvise = native.func('int madvise(uintptr_t, size_t, int)') as (
    address: number,
    length: number,
    advice: number,
  ) => number
  const fork = native.func('int fork()') as () => number
  const waitpid = native.func('int waitpid(int, _Out_ int *, int)') as (
    pid: number,
    status: Int32Array,
    options: number,
  ) => number
  const prctl = native.func('int prctl(int, unsigned long)') as (
    option: number,
    value: number,
  ) => number
  const alarm = native.func('unsigned int alarm(unsigned int)') as (seconds: number) => number
  const exit = native.func('void _exit(int)') as (code: number) => unknown as (
    code: number,
  ) => never
  const uvDefaultLoop = native.func('void *uv_default_loop()') as () => unknown
  const uvLoopFork = native.func('int uv_loop_fork(void *)') as (loop: unknown) => number

  const loop = uvDefaultLoop()
  // The first call through koffi allocates, so it is made here and not between madvise and fork.
  madvise(0, 0, MADV_DOFORK)

  function failure(call: string): Error {
    return new Error(`${call} failed: ${getSystemErrorName(-koffi.errno())}`)
  }

  return {
    getpid,
    getppid,
    pipe() {
      const fds = new Int32Array(2)
      if (pipe2(fds, O_CLOEXEC) !== 0) throw failure('pipe2')
      const [readFd, writeFd] = fds as unknown as [number, number]
      return { readFd, writeFd }
    },
    fork() {
      const ranges = copyableRanges()
      for (const [start, length] of ranges.slice(1)) madvise(start, length, MADV_DOFORK)
      const [start, length] = ranges[0] as Range
      // V8 excludes its heap from the copy, page by page as it maps them. A page mapped from here on is missing in the child. So
      // its heap comes last, and nothing between the two calls allocates or makes V8 compile.
      madvise(start, length, MADV_DOFORK)
      const pid = fork()
      if (pid === 0) {
        if (uvLoopFork(loop) !== 0) exit(1)
      } else if (pid < 0) {
        throw failure('fork')
      }
      return pid
    },
    reap(pid) {
      const status = new Int32Array(1)
      const reaped = waitpid(pid, status, WNOHANG)
      if (reaped === 0) return undefined
      if (reaped !== pid) throw failure('waitpid')
      return decodeStatus(status[0] as number)
    },
    dieWithParent: () => void prctl(PR_SET_PDEATHSIG, constants.signals.SIGKILL),
    dieAfter: (seconds) => void alarm(seconds),
    exit,
  }
}

type Range = readonly [start: number, length: number]

/**
 * Returns the whole address space except the kernel's own pages, such as [vvar], at which madvise would stop. They lie above
 * V8's heap, which is in the first range. Unmapped holes in a range do no harm.
 */
function copyableRanges(): Range[] {
  const ranges: Range[] = []
  let start = 0
  let end = 0
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const mapping = /^([\da-f]+)-([\da-f]+) /.exec(line)
    if (mapping === null || line.endsWith('[vsyscall]')) continue
    if (line.includes('[vvar')) {
      if (end > start) ranges.push([start, end - start])
      start = Number.parseInt(mapping[2] as string, 16)
    }
    end = Number.parseInt(mapping[2] as string, 16)
  }
  if (end > start) ranges.push([start, end - start])
  return ranges
}

/** Decodes a status as the macros of `sys/wait.h` do. */
function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null }
  const named = Object.entries(constants.signals).find(([, number]) => number === signal)
  return { exitCode: null, signal: (named?.[0] ?? `signal ${signal}`) as NodeJS.Signals }
}
