import { errorMonitor } from 'node:events'
import type { Duplex, Readable } from 'node:stream'
import type { MysqlClient, MysqlConnection } from './client.ts'
import { type Command, type Core, isOfServer, refuse, untyped } from './internals.ts'
import type { Opened } from './open.ts'
import { type Effect, effectOf, mayMove, takesRole } from './statements.ts'

const IN_TRANSACTION = 1 // SERVER_STATUS_IN_TRANS
/** Does nothing. Its answer tells whether there is a transaction. */
export const ASK = 'DO 0'
const answered = new WeakSet<Command>()
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

/**
 * What the holders of a connection have left in its session. It is known from the statements that pass, and from the
 * server's word on its transaction where it sends one, so that a clean session costs no round trip.
 */
export class Session {
  /** What only a reset of the session takes away, is left. */
  left = false
  /** It may be in another database than it was opened in. */
  elsewhere = false
  /** It is another user's. */
  anotherUser = false
  /** Why it cannot be reset, if it cannot. */
  beyondReset: string | undefined
  inTransaction = false
  /** Whether it still is, the server has not said since. */
  inDoubt = false
  /** The server's last error since it said that the transaction was under way. */
  failure: Error | undefined
  /** What its next transaction will be like, has been said of one that has not begun. */
  announced = false
  readonly socket: Duplex
  /** How to reach the server again. */
  readonly target: MysqlConnection
  /** As it was opened: mysql2 changes these with the session. */
  readonly charsetNumber: number | undefined
  readonly database: string | undefined
  readonly #core: Core
  #guarded = false
  /** The statements that the present holder has had prepared. */
  readonly #prepared = new Set<string>()

  constructor({ core, socket }: Opened, target: MysqlConnection) {
    this.socket = socket
    this.target = target
    this.charsetNumber = core.config.charsetNumber
    this.database = core.config.database
    this.#core = untyped(core)
    this.#observe()
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

  /** It takes no statements any more. */
  get ended(): boolean {
    const { _closing, _fatalError, _protocolError } = this.#core
    return _closing === true || _fatalError !== null || _protocolError !== null
  }

  get clean(): boolean {
    return !this.left && !this.announced && !this.inTransaction && this.beyondReset === undefined
  }

  /** Everything that was left has been taken away. */
  restored(): void {
    this.left = false
    this.elsewhere = false
    this.inTransaction = false
    this.announced = false
  }

  /** What is prepared now is the pool's own, and of use to whoever executes the same text. */
  keepStatements(): void {
    this.#prepared.clear()
  }

  /** Closes what the holder has had prepared. */
  closeStatements(): void {
    for (const key of this.#prepared) this.#core._statements.delete(key)
    this.#prepared.clear()
  }

  /** Whether it holds the process open. */
  hold(open: boolean): void {
    const { stream } = this.#core
    if (open) stream.ref?.()
    else stream.unref?.()
  }

  /**
   * Runs `work` within the transaction that has begun. Once the server has ended that, nothing more is sent, which would be
   * done outside of it, each statement by itself: it rejects with what `refusal` gives.
   */
  async guard<T>(refusal: () => Error, work: () => Promise<T>): Promise<T> {
    const core = this.#core
    const { addCommand } = core
    const guarded = (command: Command): Command => {
      if (!this.inTransaction) return refuse(command, refusal())
      // Nobody watches what its holder has prepared by himself.
      if (command.statement !== undefined) this.inDoubt = true
      return addCommand.call(core, command)
    }
    core.addCommand = guarded
    this.#guarded = true
    try {
      return await work()
    } finally {
      this.#guarded = false
      // It is another one, where the connection was closed meanwhile.
      if (core.addCommand === guarded) core.addCommand = addCommand
    }
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
      return prepare.call(core, statement, ...rest)
    }
    core.changeUser = (...args) => {
      this.anotherUser = true
      return changeUser.apply(core, args)
    }
    const statements = core._statements
    const set = statements.set.bind(statements)
    statements.set = (key, statement) => {
      this.#prepared.add(key)
      set(key, statement)
    }
  }

  /** What it begins counts from when it is sent; what it ends, from when the server says so. */
  #watch(statement: string | { sql: string }, command: Command): Command {
    const sql = typeof statement === 'string' ? statement : statement.sql
    const effect = effectOf(sql)
    if (effect === 'announces') this.announced = true
    else if (effect === 'begins') {
      this.inTransaction = true
      this.failure = undefined
    } else if (effect === 'leaves') {
      this.left = true
      this.elsewhere ||= mayMove(sql)
      if (takesRole(sql)) this.beyondReset = 'in another role'
    }
    command.once('end', () => answered.add(command))
    const { onResult } = command
    if (onResult === undefined) {
      command.on(errorMonitor, (error: unknown) => this.#failed(error))
      command.on('result', (result: unknown) => this.#answered(effect, result))
      const { stream } = command
      command.stream = (options) => {
        const rows = stream.call(command, options)
        streams.set(command, rows)
        return rows
      }
      return command
    }
    command.onResult = (error, result, ...more) => {
      const tell = (): void => onResult.call(command, error, result, ...more)
      if (!error) {
        this.#answered(effect, result)
        return tell()
      }
      answered.add(command)
      this.#failed(error)
      // Its holder goes on only when it is known whether there is a transaction to go on in.
      const asks = this.#guarded && this.inDoubt && sql !== ASK && !this.ended
      if (asks) this.#core.query(ASK, tell)
      else tell()
    }
    return command
  }

  #answered(effect: Effect, result: unknown): void {
    const { serverStatus } = (result ?? {}) as { readonly serverStatus?: unknown }
    if (typeof serverStatus !== 'number') {
      // Rows. Behind them there may be more than a question: a procedure, or a second statement.
      if (effect === 'leaves') this.inDoubt = this.inTransaction
      return
    }
    this.inTransaction = (serverStatus & IN_TRANSACTION) !== 0
    this.inDoubt = false
    if (this.inTransaction) this.failure = undefined
    if (effect === 'begins') this.announced = false
  }

  /** The server may have rolled back the statement, or all of the transaction: after a deadlock, say. */
  #failed(error: unknown): void {
    if (!isOfServer(error) || !this.inTransaction) return
    this.inDoubt = true
    this.failure = error
  }
}

/** One that was destroyed lets the rest of its answer pass. */
function isOpenStream(command: Command | null | undefined): boolean {
  if (!command || answered.has(command)) return false
  return streams.get(command)?.destroyed === false
}
