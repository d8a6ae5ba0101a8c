import { errorMonitor } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { type ResponseListener, readResponses } from './read-responses.ts'
import type { MysqlClient, MysqlConnection } from './client.ts'
import { type Command, type Core, type Packet, refuse, untyped } from './internals.ts'
import type { Opened } from './open.ts'
import { PreparedStatements } from './prepared.ts'
import { SessionState } from './session-state.ts'
import type { SessionSetup } from './setup.ts'
import { bringsSql, type Effect, effectOf } from './statements.ts'

const IGNORES_SPACE = 256 // CLIENT_IGNORE_SPACE
/** Does nothing. Its answer tells whether there is a transaction. */
export const ASK = 'DO 0'

/** Those whose answer has come, whether their caller has it or not. */
const answered = new WeakSet<Command>()
/** By the text that was given for them, before values were filled in. */
const effects = new WeakMap<Command, Effect>()
const streams = new WeakMap<Command, Readable>()
const sessions = new WeakMap<MysqlClient, Session>()

/** Watches the session of a client from its first statement on. */
export function observe(client: MysqlClient, opened: Opened, target: MysqlConnection): void {
  sessions.set(client, new Session(opened, target))
}

export function sessionOf(client: MysqlClient): Session {
  const session = sessions.get(client)
  if (session === undefined) throw new Error('Expected a client that this driver made.')
  return session
}

/** Is told of the answers in a transaction, before the next statement is sent. */
export interface TransactionListener {
  status(inTransaction: boolean): void
  answered(command: Command, failed: boolean): void
}

/**
 * What the holders of a connection have left in its session. It is known from the statements that pass, and from the
 * server's word on its transaction where it sends one, so that a clean session costs no round trip.
 */
export class Session extends SessionState implements ResponseListener {
  readonly socket: Duplex
  /** How to reach the server again. */
  readonly target: MysqlConnection
  /** As it was opened: mysql2 changes these with the session. */
  readonly charsetNumber: number | undefined
  readonly database: string | undefined
  readonly ignoresSpace: boolean
  /** Sets up the session again after a reset. */
  setup: SessionSetup | undefined
  /** Whether the server may know the character set that the options name. */
  knowsNames = true
  readonly #core: Core
  #listener: TransactionListener | undefined
  /** The statements that mysql2 keeps prepared. */
  readonly prepared: PreparedStatements
  /** Why the session is in an unknown state, if it is: nothing more is sent on the connection, nor read. */
  failing: Error | undefined
  /** Called when a caller has given up waiting for an answer, by mysql2's `timeout`. */
  onOverdue: (() => void) | undefined
  /** In `transaction`: a caller was not given an answer, because its `timeout` was over. */
  #unheard = false

  constructor({ core, socket }: Opened, target: MysqlConnection) {
    super(untyped(core)._handshakePacket.statusFlags)
    this.socket = socket
    this.target = target
    this.charsetNumber = core.config.charsetNumber
    this.database = core.config.database
    this.#core = untyped(core)
    this.ignoresSpace = (this.#core.config.clientFlags & IGNORES_SPACE) !== 0
    this.prepared = new PreparedStatements(this.#core)
    this.#observe()
    readResponses(this.#core, this)
  }

  get broken(): boolean {
    return this.failing !== undefined
  }

  /** A statement has no answer yet. One that is just telling its answer has. */
  get busy(): boolean {
    const { _command, _commands } = this.#core
    return Boolean(_command) && (_commands.length > 0 || !answered.has(_command as Command))
  }

  /** The text of the statement that has no answer yet, or the last one's. */
  get sent(): string {
    const { _command } = this.#core
    return _command?.sql ?? _command?.query ?? ''
  }

  /** Its holder has an answer to read yet, as a stream: nothing is answered behind it. */
  get streaming(): boolean {
    const { _command, _commands, _paused } = this.#core
    return _paused || [_command, ..._commands.toArray()].some(isOpenStream)
  }

  /** Destroys the streams of rows that have not ended: mysql2 does not tell them of the end of the connection. */
  endStreams(error: Error): void {
    const { _command, _commands } = this.#core
    for (const command of [_command, ..._commands.toArray()]) {
      const rows = command ? streams.get(command) : undefined
      // Nobody may listen, and an error would end the process.
      rows?.destroy(rows.listenerCount('error') > 0 ? error : undefined)
    }
  }

  /** How many bytes have passed, in both directions; 0 if the stream is the user's own and does not count them. */
  get transferred(): number {
    const { bytesRead = 0, bytesWritten = 0 } = this.socket as Partial<Socket>
    return bytesRead + bytesWritten
  }

  /** It works on a statement whose caller has given up waiting, by mysql2's `timeout`. */
  get overdue(): boolean {
    const { _command } = this.#core
    return this.busy && isTimedOut(_command as Command)
  }

  /** The file that the server waits for, of a LOAD DATA LOCAL INFILE. */
  get upload(): Readable | undefined {
    const { _command } = this.#core
    const { next, infileOk, _localStream } = _command ?? {}
    return infileOk !== undefined && next === infileOk ? (_localStream ?? undefined) : undefined
  }

  /** It takes no statements any more. */
  get ended(): boolean {
    const { _closing, _fatalError, _protocolError } = this.#core
    return (
      this.broken ||
      this.socket.destroyed ||
      this.socket.readableEnded ||
      _closing === true ||
      _fatalError !== null ||
      _protocolError !== null
    )
  }

  /** Why nothing more may be sent in `transaction`, as the end of a sentence. */
  get unusable(): string | undefined {
    if (this.ended) return 'its connection takes no more statements'
    if (this.overdue || this.#unheard) return 'a statement took longer than its `timeout`'
    return undefined
  }

  answered(command: Command, failed: boolean): void {
    answered.add(command)
    if (isTimedOut(command)) this.#unheard = true
    // What a holder executes that was prepared by hand is not watched.
    const effect = effects.get(command) ?? effectOf(command.statement?.query ?? '')
    if (failed) this.failed(effect)
    else this.succeeded(effect)
    this.#listener?.answered(command, failed)
  }

  override status(flags: number): void {
    super.status(flags)
    this.#listener?.status(this.inTransaction)
  }

  /** Is told of the answers in the transaction that has just begun. */
  set listener(listener: TransactionListener | undefined) {
    this.#listener = listener
    this.#unheard = false
  }

  broke(command: Command, cause: unknown): void {
    const why = 'The connection takes no more statements: an answer was not read to its end.'
    const error = Object.assign(new Error(why, { cause }), { fatal: true })
    this.failing = error
    clearTimeout(command.queryTimeout ?? undefined)
    const core = this.#core
    const waiting = [core._command, ...core._commands.toArray()]
    core._command = null
    core._commands.clear()
    core.addCommand = (command) => refuse(command, error)
    for (const next of waiting) if (next && next !== command) refuse(next, error)
  }

  /** Makes mysql2 encode statements as at the start. It follows the character set of the session, if it knows it. */
  restoreEncoding(): void {
    this.#core.config.charsetNumber = this.charsetNumber
  }

  recovers(command: Command, packet: Packet): boolean {
    return this.prepared.recovers(command, packet)
  }

  override restored(): void {
    super.restored()
    this.prepared.restored()
  }

  /** Whether it holds the process open. */
  hold(open: boolean): void {
    const { stream } = this.#core
    if (open) stream.ref?.()
    else stream.unref?.()
  }

  #observe(): void {
    const core = this.#core
    const { query, execute, prepare, changeUser } = core
    core.query = (statement, ...rest) =>
      this.#watch(statement, query.call(core, statement, ...rest))
    core.execute = (statement, ...rest) =>
      this.#watch(statement, execute.call(core, statement, ...rest))
    core.prepare = (statement, ...rest) => {
      // Its holder may close it behind the back of mysql2, which would go on using it.
      this.left = true
      return this.prepared.keepByHand(prepare.call(core, statement, ...rest))
    }
    core.changeUser = (...args) => {
      this.anotherUser = true
      return changeUser.apply(core, args)
    }
  }

  #watch(statement: string | { sql: string }, command: Command): Command {
    const text = typeof statement === 'string' ? statement : statement.sql
    const sql = bringsSql(command.values) ? (command.sql ?? text) : text
    effects.set(command, this.sends(sql))
    const { onResult } = command
    if (onResult === undefined) {
      command.on(errorMonitor, (error: unknown) => {
        this.failedWith(error)
        if (this.overdue) this.onOverdue?.()
      })
      const { stream } = command
      command.stream = (options) => {
        const rows = stream.call(command, options)
        streams.set(command, rows)
        return rows
      }
      return command
    }
    command.onResult = (error, result, ...more) => {
      if (error) {
        this.failedWith(error)
        if (this.overdue) this.onOverdue?.()
      }
      onResult.call(command, error, result, ...more)
    }
    return command
  }
}

/** Its caller had an error in place of the answer. */
function isTimedOut({ timeout, queryTimeout, next }: Command): boolean {
  return Boolean(timeout) && !queryTimeout && next !== null
}

/** One that was destroyed lets the rest of its answer pass. */
function isOpenStream(command: Command | null | undefined): boolean {
  if (!command || answered.has(command)) return false
  return streams.get(command)?.destroyed === false
}
