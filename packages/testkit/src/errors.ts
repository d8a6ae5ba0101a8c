/** The errors of {@link fork} itself. An error of the work is a {@link ChildWorkError} instead. */
export abstract class TestkitError extends Error {
  /** A code that stays the same when messages change, such as `ERR_FORK_UNSUPPORTED`. */
  abstract readonly code: string
}

/** Rejects a fork that this process does not support. The message says why. {@link forkSupported} checks in advance. */
export class ForkUnsupportedError extends TestkitError {
  override readonly name = 'ForkUnsupportedError'
  readonly code = 'ERR_FORK_UNSUPPORTED'

  constructor(reason: string) {
    super(`Cannot fork: ${reason}.`)
  }
}

/**
 * An error thrown by the work in the child. `name`, `message`, `code` and `cause` are those of the child's error; the first line
 * of `stack` names the child.
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

/** Reports a child that ended without a result: it crashed, was killed, or exited. */
export class ChildExitError extends TestkitError {
  override readonly name = 'ChildExitError'
  readonly code = 'ERR_CHILD_EXIT'

  constructor(
    /** The operating system's pid of the child. */
    readonly childPid: number,
    /** The exit code, or `null` if a signal ended the child. */
    readonly exitCode: number | null,
    /** The signal that ended the child, or `null`. */
    readonly signal: NodeJS.Signals | null,
  ) {
    const how = signal === null ? `exited with code ${exitCode}` : `was killed by ${signal}`
    super(`The forked child ${childPid} ${how} before it sent a result.`)
  }
}

/** Reports a child that exceeded its timeout and was killed. */
export class ChildTimeoutError extends TestkitError {
  override readonly name = 'ChildTimeoutError'
  readonly code = 'ERR_CHILD_TIMEOUT'

  constructor(
    /** The operating system's pid of the child. */
    readonly childPid: number,
    /** Its timeout, in milliseconds. */
    readonly timeoutMillis: number,
  ) {
    super(`The forked child ${childPid} sent no result within ${timeoutMillis} ms and was killed.`)
  }
}
