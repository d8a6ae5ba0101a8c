import type { Connection } from 'mysql2'
import type { EventEmitter } from 'node:events'
import type { Duplex, Readable } from 'node:stream'

// What mysql2's connections know of themselves and do not type.

export type Done = (error: unknown, result?: unknown, ...more: unknown[]) => void

/** One statement under way: with a callback, or else it emits what becomes of it. */
export interface Command extends EventEmitter {
  onResult?: Done
  /** With its values, where it is no prepared statement. */
  readonly sql?: string
  /** The text that is being prepared. */
  readonly query?: string
  readonly values?: unknown
  /** Of a prepared statement that is executed, once it is prepared. */
  statement?: Statement | undefined
  /** Of a statement that is prepared by being executed. One that a holder prepared has no `sql` here. */
  readonly _executeOptions?: { readonly sql?: string }
  execute: (packet: unknown, core: unknown) => boolean
  stream: (options?: object) => Readable
  /** In milliseconds, and its timer once the statement has been sent. */
  readonly timeout?: number
  readonly queryTimeout?: NodeJS.Timeout | null
  /** What the next packet is given to: one of those below, or another one. */
  next: unknown
  readonly resultsetHeader?: unknown
  readonly infileOk?: unknown
  readonly row?: unknown
  readonly pingResponse?: unknown
  readonly resetConnectionResponse?: unknown
  /** A file that is sent to the server, and why it, or a row, could not be read. */
  readonly _localStream?: Readable | null
  readonly _localStreamError?: unknown
}

/** A message of the server. */
export interface Packet {
  readonly buffer: Buffer
  offset: number
  readonly end: number
  eofStatusFlags(): number
  asError(encoding: string): ServerError
}

/** A prepared statement. */
export interface Statement {
  readonly query: string
}

interface Statements {
  set(key: string, statement: Statement): void
  entries(): Iterable<[key: string, statement: Statement]>
  /** Closes it on the server, by a message that has no answer. */
  delete(key: string): void
}

type Verb = (statement: string | { sql: string }, ...rest: unknown[]) => Command

/** A connection. */
export interface Core {
  query: Verb
  execute: Verb
  prepare: Verb
  changeUser: (...args: unknown[]) => unknown
  /** All that is sent to the server passes here; once the connection is closed it is another function. */
  addCommand: (command: Command) => Command
  /** Takes what the server sends, and without a packet starts a command. */
  handlePacket: (packet?: Packet) => void
  readonly clientEncoding: string
  readonly _handshakePacket: { readonly statusFlags: number }
  readonly stream: Duplex & { ref?(): void; unref?(): void }
  readonly config: { readonly clientFlags: number; charsetNumber: number | undefined }
  _command?: Command | null | undefined
  /** Those after it. */
  readonly _commands: {
    readonly length: number
    toArray(): Command[]
    clear(): void
    push(command: Command): unknown
    shift(): Command | undefined
    unshift(command: Command): unknown
  }
  sequenceId: number
  compressedSequenceId: number
  readonly _paused: boolean
  readonly _closing?: boolean
  readonly _fatalError: object | null
  readonly _protocolError: object | null
  readonly _statements: Statements
}

export function untyped(core: Connection): Core {
  return core as unknown as Core
}

/** What the server answers that a statement did. */
export interface ServerError extends Error {
  readonly errno: number
  readonly sqlState: string
}

/** Whether it is an answer of the server, and not what became of the connection. */
export function isOfServer(error: unknown): error is ServerError {
  return (error as { readonly sqlState?: unknown } | null)?.sqlState !== undefined
}

/** Of a server that was the primary before a failover: go-sql-driver/mysql and mysql2's pool know it by the same errors. */
export function isReadOnly({ errno }: ServerError, asked: boolean): boolean {
  // ER_OPTION_PREVENTS_STATEMENT and ER_READ_ONLY_MODE; ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  return errno === 1290 || errno === 1836 || (errno === 1792 && !asked)
}

/** Answers a statement that is not sent. */
export function refuse(command: Command, error: Error): Command {
  // It waits for a PREPARE, which was refused in its place.
  if ('statement' in command && command.statement === undefined) return command
  process.nextTick(() => {
    if (command.onResult !== undefined) command.onResult(error)
    else if (command.listenerCount('error') > 0) command.emit('error', error)
    // mysql2's pool releases its connection then.
    command.emit('end')
  })
  return command
}
