import mysql, {
  type ConnectionOptions,
  type Pool,
  type PoolConnection,
  type PoolOptions,
} from 'mysql2'
import type { Pool as PromisePool } from 'mysql2/promise'
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Command } from '../internals.ts'
import { construct } from '../open.ts'

// What mysql2's pool, and its connections, know of themselves and do not type.

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

/** The options as mysql2 reads them, warnings and errors included. */
export function parse(options: PoolOptions | string): PoolConfig {
  // Which opens nothing; its one timer ends with it.
  const pool: Pool = construct(() => mysql.createPool(options as PoolOptions))
  pool.end()
  return pool.config as PoolConfig
}
