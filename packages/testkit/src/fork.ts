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

/** Options of a fork. */
export interface ForkOptions {
  /** The time after which the child is killed, in milliseconds: 1 to 2,147,483,647. Default 10,000. */
  timeoutMillis?: number
  /**
   * Whether the child calls core's `afterFork()` before anything else. Default `true`. With `false`, pools must detect the
   * fork by themselves.
   */
  afterFork?: boolean
  /**
   * Whether the child continues after its parent has ended, as a daemon does, until its timeout. Default `false`. Its result
   * is lost then.
   */
  outlivesParent?: boolean
}

const rules: Readonly<Record<keyof ForkOptions, Rule>> = {
  timeoutMillis: millisFrom(1),
  afterFork: oneOf(true, false),
  outlivesParent: oneOf(true, false),
}

/**
 * Forks this process with fork(2), synchronously, and runs `work` in the child.
 *
 * **Await it at once.** fork(2) returns in both processes, so the child also runs the caller's code, up to the next `await`.
 * There the promise settles only in the parent, so the caller's code ends at `await fork(work)` in the child. Other code of
 * the parent continues in the child if what it waits for happens there, as after any fork, but it cannot fork again.
 *
 * In the child everything is a copy: memory, timers, sockets. The child calls core's `afterFork()`, then the synchronous part
 * of `work`, before anything else. It ends by `_exit` when `work` settles, and may fork again. It shares `stdout` and
 * `stderr`, but not the IPC channel of a test runner, through which vitest prints and imports: import beforehand.
 *
 * No child outlives its timeout, nor its parent without `outlivesParent`.
 *
 * @throws {@link ForkUnsupportedError} (as a rejection) if {@link forkSupported} says no.
 * @throws {TypeError} (as a rejection) if `work` is not a function, and for a wrong or unknown option.
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
      if (libc.getppid() !== parentPid) libc.exit(1) // The parent died before the line above.
    }
    libc.dieAfter(Math.ceil(timeoutMillis / 1000) + 1)
    closeSync(readFd)
    forgetSiblings()
    becomeChild(libc, writeFd)
    if (options.afterFork !== false) afterFork()
    runWork(libc, work)
  } catch (error) {
    answer(libc, { ok: false, error: packError(error) }) // It must not reach the caller's code.
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

/** Returns a promise that never settles: the caller's code ends there in the child. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
