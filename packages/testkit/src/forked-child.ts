import { Socket } from 'node:net'
import { AnswerReader, unpackError } from './answer.ts'
import { ChildExitError, ChildTimeoutError } from './errors.ts'
import type { ExitStatus, Libc } from './libc.ts'

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

/** This process's children; in a child's copy, until it forgets them, its siblings. */
const running = new Set<{ forget(): void }>()

/** For a child: its parent's children are nothing to it. */
export function forgetSiblings(): void {
  for (const sibling of running) sibling.forget()
}

/** While the child's end of the pipe is open. */
const SLOW_REAP_MILLIS = 20
/** Once it is closed: the kernel closes a process's files just before it becomes a zombie. */
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
