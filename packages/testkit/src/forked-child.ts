import { Socket } from 'node:net'
import { AnswerReader, unpackError } from './answer.ts'
import { ChildExitError, ChildTimeoutError } from './errors.ts'
import type { ExitStatus, Libc } from './libc.ts'

/** A handle of a forked child, for its parent. */
export interface ForkedChild<T> {
  /** The operating system's pid of the child. */
  readonly pid: number
  /**
   * The result of the work, copied by `v8.serialize`. Settles once the child has ended and been reaped, and keeps this process
   * alive until then.
   *
   * Rejects with {@link ChildWorkError} if the work threw, or its process had an uncaught error; with
   * {@link ChildExitError} if it ended without a result; with {@link ChildTimeoutError} if it exceeded its timeout.
   */
  readonly result: Promise<T>
  /** Sends a signal, by default SIGKILL. Does nothing once the child has ended. */
  kill(signal?: NodeJS.Signals): void
}

/** The children of this process. In a forked child, these are its siblings until `forgetSiblings`. */
const running = new Set<{ forget(): void }>()

/** Forgets the parent's other children, in a child. */
export function forgetSiblings(): void {
  for (const sibling of running) sibling.forget()
}

/** The interval while the child's end of the pipe is open. */
const SLOW_REAP_MILLIS = 20
/** The interval once it is closed: the kernel closes a process's files just before it becomes a zombie. */
const FAST_REAP_MILLIS = 1

export class Child<T> implements ForkedChild<T> {
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
    // The exit status explains why the pipe failed.
    this.#pipe.on('error', () => this.#reapSoon())
    this.#reaper = setInterval(() => this.#reap(), SLOW_REAP_MILLIS)
    // Reads once more before the verdict: an answer may be in the pipe while this process was busy.
    this.#watchdog = setTimeout(() => setImmediate(() => this.#expire()), timeoutMillis)
    running.add(this)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.#status === undefined && !this.#forgotten) process.kill(this.pid, signal)
  }

  /** Releases all resources, also in a sibling of the child. */
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

  /** Reads until the answer is complete or two turns of the event loop bring nothing: the pipe may never end. */
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
    // SIGALRM: the child's own alarm fired first.
    else if (this.#timedOut || signal === 'SIGALRM') {
      this.#reject(new ChildTimeoutError(this.pid, this.#timeoutMillis))
    } else this.#reject(new ChildExitError(this.pid, exitCode, signal))
  }
}
