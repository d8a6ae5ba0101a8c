import type { Connection } from 'mysql2'
import { errorMonitor, type EventEmitter } from 'node:events'
import type { Duplex, Readable } from 'node:stream'
import type { MysqlClient, MysqlConnection } from './client.ts'
import type { Opened } from './open.ts'
import { type Effect, effectOf, mayMove } from './statements.ts'

const IN_TRANSACTION = 1 // SERVER_STATUS_IN_TRANS
/** The server has rolled back, not the statement alone but all of the transaction. */
const DEADLOCK = 1213

type Done = (error: unknown, result?: unknown, ...more: unknown[]) => void

/** One statement under way: with a callback, or else it emits what becomes of it. */
interface Command extends EventEmitter {
  onResult?: Done
  stream: (options?: object) => Readable
}

interface Statements {
  set(key: string, statement: object): void
  /** Closes it on the server, by a message that has no answer. */
  delete(key: string): void
}

type Verb = (statement: string | { sql: string }, ...rest: unknown[]) => Command

/** What mysql2 knows of a connection and does not type. */
interface Core {
  query: Verb
  execute: Verb
  prepare: Verb
  changeUser: (...args: unknown[]) => unknown
  readonly stream: Duplex & { ref?(): void; unref?(): void }
  readonly _command?: Command | null
  /** Those after it. */
  readonly _commands: { readonly length: number; toArray(): Command[] }
  readonly _paused: boolean
  readonly _closing?: boolean
  readonly _fatalError: object | null
  readonly _protocolError: object | null
  readonly _statements: Statements
}

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
  /** Why it cannot be reset, if it cannot. */
  beyondReset: string | undefined
  inTransaction = false
  /** What its next transaction will be like, has been said of one that has not begun. */
  announced = false
  /** A deadlock has ended the transaction, and what comes after it is in none. */
  rolledBack = false
  readonly socket: Duplex
  /** How to reach the server again. */
  readonly target: MysqlConnection
  /** As it was opened: mysql2 changes these with the session. */
  readonly charsetNumber: number | undefined
  readonly database: string | undefined
  readonly #core: Core
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
    this.rolledBack = false
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
      this.beyondReset = 'as another user'
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
      this.rolledBack = false
    } else if (effect === 'leaves') {
      this.left = true
      this.elsewhere ||= mayMove(sql)
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
      if (error) {
        answered.add(command)
        this.#failed(error)
      } else this.#answered(effect, result)
      onResult.call(command, error, result, ...more)
    }
    return command
  }

  #answered(effect: Effect, result: unknown): void {
    const { serverStatus } = (result ?? {}) as { readonly serverStatus?: unknown }
    if (typeof serverStatus !== 'number') return // Rows.
    this.inTransaction = (serverStatus & IN_TRANSACTION) !== 0
    if (effect === 'begins') this.announced = false
  }

  #failed(error: unknown): void {
    if ((error as { readonly errno?: unknown } | null)?.errno === DEADLOCK) this.rolledBack = true
  }
}

/** One that was destroyed lets the rest of its answer pass. */
function isOpenStream(command: Command | null | undefined): boolean {
  if (!command || answered.has(command)) return false
  return streams.get(command)?.destroyed === false
}

function untyped(core: Connection): Core {
  return core as unknown as Core
}
