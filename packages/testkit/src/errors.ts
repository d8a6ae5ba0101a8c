/**
 * What {@link fork} rejects with, but for {@link ChildWorkError}, which stands for an error of the work. `code` is stable and
 * for programs, the message for people.
 */
export abstract class TestkitError extends Error {
  /** Stable, for programs: `ERR_FORK_UNSUPPORTED`, `ERR_CHILD_EXIT` and so on. */
  abstract readonly code: string
}

/** A real fork cannot be made in this process. The message says why; {@link forkSupported} asks without throwing. */
export class ForkUnsupportedError extends TestkitError {
  override readonly name = 'ForkUnsupportedError'
  readonly code = 'ERR_FORK_UNSUPPORTED'

  constructor(reason: string) {
    super(`Cannot fork: ${reason}.`)
  }
}

/**
 * The work threw, in the child. `name`, `message`, `code` and `cause` are those of the child's error; that it came from
 * a child is told by this class, by `childPid` and by the first line of `stack`.
 */
export class ChildWorkError extends Error {
  override name: string
  /** The `code` of the child's error, `undefined` if it had none. */
  readonly code: string | number | undefined
  /** The operating system's pid of the child. */
  readonly childPid: number

  constructor(
    childPid: number,
    thrown: { name: string; message: string; stack: string; code: string | number | undefined },
    options: ErrorOptions = {},
  ) {
    super(thrown.message, options)
    this.name = thrown.name
    this.code = thrown.code
    this.childPid = childPid
    this.stack = `[in forked child ${childPid}] ${thrown.stack}`
  }
}

/** The child ended without an answer: it crashed, was killed, or left by itself. */
export class ChildExitError extends TestkitError {
  override readonly name = 'ChildExitError'
  readonly code = 'ERR_CHILD_EXIT'

  constructor(
    /** The operating system's pid of the child. */
    readonly childPid: number,
    /** `null` if a signal ended the child. */
    readonly exitCode: number | null,
    /** `null` if no signal did. */
    readonly signal: NodeJS.Signals | null,
  ) {
    const how = signal === null ? `exited with code ${exitCode}` : `was killed by ${signal}`
    super(`The forked child ${childPid} ${how} before it answered.`)
  }
}

/** The child was not done in time and has been killed. */
export class ChildTimeoutError extends TestkitError {
  override readonly name = 'ChildTimeoutError'
  readonly code = 'ERR_CHILD_TIMEOUT'

  constructor(
    /** The operating system's pid of the child. */
    readonly childPid: number,
    /** The time it was given, in milliseconds. */
    readonly timeoutMillis: number,
  ) {
    super(`The forked child ${childPid} gave no answer within ${timeoutMillis} ms and was killed.`)
  }
}
