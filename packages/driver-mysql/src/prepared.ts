import type { Command, Core, Packet, Statement } from './internals.ts'

const ERROR = 0xff
const UNKNOWN_STATEMENT = 1243 // ER_UNKNOWN_STMT_HANDLER
/** ER_MAX_PREPARED_STMT_COUNT_REACHED: the limit counts the statements of all sessions of the server. */
export const TOO_MANY_STATEMENTS = 1461

/**
 * The statements that mysql2 keeps prepared on a connection. If the server has forgotten one (1243), it is prepared again and
 * executed. If the server has too many (1461), the others of this connection are closed first. In both cases the server has not
 * executed anything, and later statements wait behind the second attempt.
 */
export class PreparedStatements {
  readonly #core: Core
  /** mysql2's own. */
  readonly #prepare: Core['prepare']
  /** The keys of the statements that the present holder has executed first. */
  readonly #ofHolder = new Set<string>()
  /** The texts of which the holder has a statement object. */
  readonly #byHand = new Set<string>()
  readonly #retried = new WeakSet<Command>()

  constructor(core: Core) {
    this.#core = core
    this.#prepare = core.prepare
    const statements = core._statements
    const set = statements.set.bind(statements)
    statements.set = (key, statement) => {
      this.#ofHolder.add(key)
      set(key, statement)
    }
  }

  /** Keeps the statement that a holder prepares by this command until the session is reset. */
  keepByHand(command: Command): Command {
    if (command.query !== undefined) this.#byHand.add(command.query)
    return command
  }

  /** Leaves the statements to the pool: they are of use to every caller that executes the same text. */
  keep(): void {
    this.#ofHolder.clear()
  }

  /** Closes the statements of the holder, without a round trip. */
  closeOfHolder(): void {
    for (const key of this.#ofHolder) this.#core._statements.delete(key)
    this.#ofHolder.clear()
  }

  /** Closes all statements except those prepared by hand, without a round trip. Returns whether there were any. */
  closeAll(): boolean {
    const statements = this.#core._statements
    const keys = [...statements.entries()]
      .filter(([, { query }]) => !this.#byHand.has(query))
      .map(([key]) => key)
    for (const key of keys) statements.delete(key)
    return keys.length > 0
  }

  /** Records that a reset has closed every statement. */
  restored(): void {
    this.#byHand.clear()
  }

  /** Tries a statement again whose error is about prepared statements. Returns whether it does. */
  recovers(command: Command, { buffer, offset }: Packet): boolean {
    if (buffer[offset] !== ERROR || this.#retried.has(command)) return false
    const isTimedOut = Boolean(command.timeout) && !command.queryTimeout
    if (isTimedOut) return false
    const errno = buffer.readUInt16LE(offset + 1)
    if (errno === TOO_MANY_STATEMENTS) return this.#makeRoom(command)
    return errno === UNKNOWN_STATEMENT && this.#prepareAgain(command)
  }

  #makeRoom(command: Command): boolean {
    if (command.query === undefined) return false
    return this.#retry(command, () => this.closeAll())
  }

  #prepareAgain(command: Command): boolean {
    const { statement, _executeOptions: options } = command
    // A holder executes a statement that it prepared itself: it may have closed it.
    if (statement === undefined || options?.sql === undefined) return false
    return this.#retry(command, () => {
      const statements = this.#core._statements
      const entry = [...statements.entries()].find(([, prepared]) => prepared === statement)
      if (entry !== undefined) statements.delete(entry[0])
      this.#prepare.call(
        this.#core,
        options as { sql: string },
        ((error: unknown, prepared?: Statement) => {
          if (error) command.execute = () => fail(command, error)
          else command.statement = prepared
        }) as never,
      )
      return true
    })
  }

  /** Starts a command again, behind the commands that `first` adds and before those that wait. */
  #retry(command: Command, first: () => boolean): boolean {
    const core = this.#core
    const waiting = core._commands.toArray()
    core._commands.clear()
    const isWorthwhile = first()
    if (isWorthwhile) {
      this.#retried.add(command)
      clearTimeout(command.queryTimeout ?? undefined)
      command.next = null
      core._commands.push(command)
    }
    for (const next of waiting) core._commands.push(next)
    if (!isWorthwhile) return false
    core._command = core._commands.shift()
    core.sequenceId = 0
    core.compressedSequenceId = 0
    core.handlePacket()
    return true
  }
}

/** Ends a command without sending it. Returns `true`: mysql2 is to start the next one. */
function fail(command: Command, error: unknown): true {
  if (command.onResult !== undefined) command.onResult(error)
  else command.emit('error', error)
  command.emit('end')
  return true
}
