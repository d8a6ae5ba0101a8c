import { afterFork } from '@forksafe/core'
import { closeSync } from 'node:fs'
import { packError } from './answer.ts'
import { answer, becomeChild, isParentsCode, runWork } from './child.ts'
import { Child, forgetSiblings, type ForkedChild } from './forked-child.ts'
import {
  check,
  checkOptions,
  isFunction,
  millisFrom,
  oneOf,
  required,
  type Rule,
} from './options.ts'
import { libcForFork } from './support.ts'

/** How a child is forked. */
export interface ForkOptions {
  /** How long the child may take before it is killed, in milliseconds. At least 1, at most 2,147,483,647. Default 10,000. */
  timeoutMillis?: number
  /**
   * Whether core's `afterFork()` is called in the child before anything else. Default `true`. With `false`, pools have
   * to find out by themselves.
   */
  afterFork?: boolean
  /**
   * Whether the child lives on when its parent ends, as a daemon does; its timeout still ends it. Default `false`. Nobody
   * hears what it returns then.
   */
  outlivesParent?: boolean
}

const rules: Readonly<Record<keyof ForkOptions, Rule>> = {
  timeoutMillis: millisFrom(1),
  afterFork: oneOf(true, false),
  outlivesParent: oneOf(true, false),
}

/**
 * Forks this process with fork(2), now, at this very point of the caller's code, and runs `work` in the child.
 *
 * **Await it at once.** fork(2) returns in both processes: the child too goes on in the caller, up to the next `await`.
 * There the promise settles in the parent only, so that `await fork(work)` is where the caller's code ends in the child.
 * Other code of the parent that was waiting for something in the child's reach goes on in the child, as in any fork;
 * it cannot fork again.
 *
 * In the child everything is a copy: memory, timers, sockets. The synchronous part of `work` runs before anything else
 * does, after core's `afterFork()`. The child ends by `_exit` when `work` settles; it shares `stdout` and `stderr`, but
 * not the IPC channel of a test runner, through which vitest prints and imports: import beforehand. It may fork again.
 *
 * No child outlives its timeout, nor its parent unless told to.
 *
 * @throws {@link ForkUnsupportedError} (as a rejection) if {@link forkSupported} says no.
 * @throws {TypeError} (as a rejection) for work that is no function, and for a wrong or unknown option.
 * @throws {RangeError} (as a rejection) for a `timeoutMillis` that is out of range.
 */
export async function fork<T>(
  work: () => T | Promise<T>,
  options: ForkOptions = {},
): Promise<ForkedChild<T>> {
  if (isParentsCode()) return never()
  check('fork', 'work', work, required('a function', isFunction))
  checkOptions('fork', options, rules)
  const { timeoutMillis = 10_000 } = options
  const libc = libcForFork()
  const parentPid = libc.getpid()
  const { readFd, writeFd } = libc.pipe()
  let pid: number
  try {
    pid = libc.fork()
  } catch (error) {
    closeSync(readFd)
    closeSync(writeFd)
    throw error
  }
  if (pid !== 0) {
    closeSync(writeFd)
    return new Child<T>(libc, pid, readFd, timeoutMillis)
  }

  try {
    if (options.outlivesParent !== true) {
      libc.dieWithParent()
      if (libc.getppid() !== parentPid) libc.exit(1) // It died before the line above.
    }
    libc.dieAfter(Math.ceil(timeoutMillis / 1000) + 1)
    closeSync(readFd)
    forgetSiblings()
    becomeChild(libc, writeFd)
    if (options.afterFork !== false) afterFork()
    runWork(libc, work)
  } catch (error) {
    answer(libc, { ok: false, error: packError(error) }) // Never into the caller's code.
  }
  return never()
}

/**
 * Forks this process as {@link fork} does and resolves with the child's result. Await it at once.
 *
 * @throws as {@link fork} does, and rejects as {@link ForkedChild.result} does.
 */
export async function inChild<T>(work: () => T | Promise<T>, options?: ForkOptions): Promise<T> {
  const child = await fork(work, options)
  return child.result
}

/** What the caller waits for in the child. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
