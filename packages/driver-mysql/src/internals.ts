import mysql, { type Connection, type ConnectionOptions, type PoolConnection } from 'mysql2'
import type { Pool as PromisePool } from 'mysql2/promise'
import type { EventEmitter } from 'node:events'
import type { Duplex, Readable } from 'node:stream'
import { bringsSql } from './statements.ts'

// The fields and classes of mysql2 that its types omit. Nothing else in this package relies on how mysql2 names them.

export type Done = (error: unknown, result?: unknown, ...more: unknown[]) => void

/** One statement under way: with a callback, or else it emits what becomes of it. */
export interface Command extends EventEmitter {
  onResult?: Done
  /** With its values, where it is no prepared statement. */
  readonly sql?: string
  /** The options as they were given, before values were filled in. */
  readonly _queryOptions?: { readonly sql?: string }
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
  reset: (...args: unknown[]) => unknown
  /** All that is sent to the server passes here; once the connection is closed it is another function. */
  addCommand: (command: Command) => Command
  /** Takes what the server sends, and without a packet starts a command. */
  handlePacket: (packet?: Packet) => void
  readonly clientEncoding: string
  readonly _handshakePacket: { readonly statusFlags: number }
  readonly stream: Duplex & { ref?(): void; unref?(): void }
  readonly config: {
    readonly clientFlags: number
    charsetNumber: number | undefined
    readonly queryFormat?: unknown
  }
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

const { createQuery: newQuery } = mysql as unknown as {
  readonly createQuery: (sql: string, values: undefined, done: undefined, config: object) => Command
}

/** Returns a statement of the driver's own, which is not queued yet. */
export function createQuery(sql: string, { config }: Core): Command {
  return newQuery(sql, undefined, undefined, config)
}

/** Starts `first` instead of the present command, which is started after it. Returns what `execute` returns. */
export function startBefore(core: Core, command: Command, first: Command): boolean {
  core._commands.unshift(command)
  core._command = first
  return first.execute(undefined, core)
}

/** Returns the text of a statement that is run or prepared. Others are a ping, the end of the connection, and the like. */
export function textOfStatement(command: Command, { config }: Core): string | undefined {
  const { sql, query, values, statement, _queryOptions } = command
  if (typeof config.queryFormat === 'function' || bringsSql(values)) return sql
  return _queryOptions?.sql ?? sql ?? statement?.query ?? query
}

/** The options of a pool, with defaults. A program may change them: mysql2 reads them at each use. */
export interface PoolConfig {
  connectionConfig: ConnectionOptions
  connectionLimit: number
  maxIdle: number
  idleTimeout: number
  queueLimit: number
  waitForConnections: boolean
  resetOnRelease: boolean
}

/** What the constructor of mysql2's pool leaves behind. */
export interface InnerPool extends EventEmitter {
  readonly config: PoolConfig
  _closed: boolean
  _allConnections: { readonly length: number }
  _freeConnections: { readonly length: number }
  _connectionQueue: { readonly length: number }
  /** A copy of its own for each connection. */
  _createConnectionConfig(): ConnectionOptions & { stream?: unknown }
  query(...given: unknown[]): unknown
  execute(...given: unknown[]): unknown
  promise(promiseImpl?: PromiseConstructor): PromisePool
}

export interface InnerConnection extends PoolConnection {
  _released: boolean
  readonly stream: Duplex
  /** None once it has ended. */
  readonly _pool: InnerPool | null
  lastActiveTime: number
  /** All that is sent to the server passes here; once the connection is closed it is another function. */
  addCommand: (command: Command) => Command
  close: () => void
  /** Says goodbye after what is to be answered yet. `end` itself may do something else. */
  _realEnd(said: () => void): void
}

/** mysql2's classes, which its types do not give as values. */
const classes = mysql as unknown as {
  /** Without the types of its methods: some of them are replaced. */
  readonly Pool: new (options: { readonly config: PoolConfig }) => InnerPool
  readonly PoolConnection: {
    new (pool: InnerPool, options: { readonly config: ConnectionOptions }): InnerConnection
    readonly prototype: Record<'query' | 'execute' | 'prepare' | 'changeUser', unknown>
  }
}
export const { Pool: PoolClass, PoolConnection: PoolConnectionClass } = classes
