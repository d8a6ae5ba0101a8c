import { afterFork } from '@forksafe/core'
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { AnswerReader, packError, unpackError } from './answer.ts'
import { answer, becomeChild, isParentsCode, runWork } from './child.ts'
import { ChildExitError, ChildTimeoutError } from './errors.ts'
import type { ExitStatus, Libc } from './libc.ts'
import { libcForFork } from './support.ts'

/** How a child is forked. */
export interface ForkOptions {
  /** How long the child may take before it is killed. Default 10,000; at least 1. */
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

/** A forked child, seen from its parent. */
export interface ForkedChild<T> {
  /** The operating system's pid of the child. */
  readonly pid: number
  /**
   * What the work returned, copied by `v8.serialize`. Settles when the child is gone and collected, and holds the
   * process open until then.
   *
   * Rejects with {@link ChildWorkError} if the work threw, or its process had an uncaught error; with
   * {@link ChildExitError} if it died without an answer; with {@link ChildTimeoutError} if it took too long.
   */
  readonly result: Promise<T>
  /** Sends a signal, SIGKILL unless told. Does nothing once the child is gone. */
  kill(signal?: NodeJS.Signals): void
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
 */
export async function fork<T>(
  work: () => T | Promise<T>,
  options: ForkOptions = {},
): Promise<ForkedChild<T>> {
  if (isParentsCode()) return never()
  const { timeoutMillis = 10_000 } = options
  if (!(timeoutMillis >= 1)) {
    throw new RangeError(`Expected \`timeoutMillis\` to be at least 1, got ${timeoutMillis}`)
  }
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
    for (const sibling of running) sibling.forget()
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

/** This process's children. A child's copy of the set holds its siblings, which are nothing to it. */
const running = new Set<{ forget(): void }>()

/** While the child's end of the pipe is open. */
const SLOW_REAP_MILLIS = 20
/** Once it is closed: the kernel closes a process's files just before it becomes a zombie. */
const FAST_REAP_MILLIS = 1

class Child<T> implements ForkedChild<T> {
  readonly result: Promise<T>
  readonly #libc: Libc
  readonly #timeoutMillis: number
  readonly #answer = new AnswerReader()
  readonly #pipe: Socket
  readonly #watchdog: NodeJS.Timeout
  #reaper: NodeJS.Timeout
  #resolve!: (value: T) => void
  #reject!: (error: unknown) => void
  #timedOut = false
  #status: ExitStatus | undefined
  #forgotten = false

  constructor(
    libc: Libc,
    readonly pid: number,
    readFd: number,
    timeoutMillis: number,
  ) {
    this.#libc = libc
    this.#timeoutMillis = timeoutMillis
    this.result = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#pipe = new Socket({ fd: readFd, readable: true, writable: false })
    this.#pipe.on('data', (bytes) => {
      this.#answer.push(bytes)
      this.#reapSoon()
    })
    this.#pipe.on('end', () => this.#reapSoon())
    // Whatever befalls the pipe, the exit status tells the rest.
    this.#pipe.on('error', () => this.#reapSoon())
    this.#reaper = setInterval(() => this.#reap(), SLOW_REAP_MILLIS)
    // An answer that lies in the pipe counts, however long this process was busy: read once more before judging.
    this.#watchdog = setTimeout(() => setImmediate(() => this.#expire()), timeoutMillis)
    running.add(this)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.#status === undefined && !this.#forgotten) process.kill(this.pid, signal)
  }

  /** Lets go of everything; in another child too, which is not the parent of this one. */
  forget(): void {
    this.#forgotten = true
    running.delete(this)
    clearTimeout(this.#watchdog)
    clearInterval(this.#reaper)
    this.#pipe.destroy()
  }

  #expire(): void {
    if (this.#answer.read() !== undefined) return
    this.#timedOut = true
    this.kill()
  }

  #reapSoon(): void {
    if (this.#status !== undefined) return
    clearInterval(this.#reaper)
    this.#reaper = setInterval(() => this.#reap(), FAST_REAP_MILLIS)
  }

  #reap(): void {
    try {
      this.#status = this.#libc.reap(this.pid)
    } catch (error) {
      this.forget()
      this.#reject(error)
      return
    }
    if (this.#status === undefined) return
    clearInterval(this.#reaper)
    this.#drain(this.#status, -1)
  }

  /** Reads on until the answer is whole or a turn of the loop brings nothing: there may never be an end to the pipe. */
  #drain(status: ExitStatus, seenBytes: number): void {
    if (this.#forgotten) return
    const { receivedBytes } = this.#answer
    if (receivedBytes === seenBytes || this.#answer.read() !== undefined) this.#settle(status)
    else setImmediate(() => setImmediate(() => this.#drain(status, receivedBytes)))
  }

  #settle({ exitCode, signal }: ExitStatus): void {
    this.forget()
    const answer = this.#answer.read()
    if (answer?.ok === true) this.#resolve(answer.value as T)
    else if (answer?.ok === false) this.#reject(unpackError(this.pid, answer.error))
    // SIGALRM: the child's own alarm came first.
    else if (this.#timedOut || signal === 'SIGALRM') {
      this.#reject(new ChildTimeoutError(this.pid, this.#timeoutMillis))
    } else this.#reject(new ChildExitError(this.pid, exitCode, signal))
  }
}
