// The private fields of pg's clients and connections that the driver reads or replaces, and nothing else does.
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import type { Client, ClientBase, Connection } from 'pg'

/** A query that a client runs: pg's own, a cursor, a stream around one, a COPY in or out. */
export interface ActiveQuery extends EventEmitter {
  readonly submit?: unknown
  readonly name?: string
  readonly text?: string
  /** How many rows a query fetches at a time. */
  readonly rows?: number
  requiresPreparation?(): boolean
  handleError(error: unknown, connection: unknown): void
  /** Of a cursor. */
  readonly state?: string
  /** Of a stream around a cursor. */
  readonly cursor?: { readonly state: string; readonly text?: string }
  readonly writableEnded?: boolean
  readonly readableEnded?: boolean
  readonly destroyed?: boolean
}

/** A client. pg-native's has only some of these. */
export interface ClientInternals {
  readonly connection?: Connection & ConnectionInternals
  readonly connectionParameters?: { readonly query_timeout?: unknown }
  readonly processID: number
  readonly secretKey: number
  readonly readyForQuery?: boolean
  readonly _activeQuery?: ActiveQuery | null
  /** `_activeQuery` until pg 8.17. */
  readonly activeQuery?: ActiveQuery | null
  readonly _queryQueue?: ActiveQuery[]
  /** Since pg 8.22, for its `pipeline`. */
  readonly _sentQueryQueue?: readonly ActiveQuery[]
  pipeline?: boolean
  readonly _connecting?: boolean
  readonly _queryable?: boolean
  readonly _connectionError?: boolean
  readonly _ending?: boolean
  readonly _ended?: boolean
  _pulseQueryQueue?(): void
  ref(): void
  unref(): void
}

/** The connection of a client: pg's side of the protocol. */
export interface ConnectionInternals {
  readonly ssl: boolean | ConnectionOptions
  /** Since pg 8.22. */
  readonly sslNegotiation?: string
  /** The named statements that the server has prepared. */
  parsedStatements: Record<string, string>
  /** Since pg 8.22. */
  submittedNamedStatements?: Record<string, string>
  attachListeners?(stream: Duplex): void
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processID: number, secretKey: number): void
  parse(statement: { readonly name?: string | undefined; readonly text?: string | undefined }): void
  bind(portal: { readonly statement?: string | undefined }, more?: boolean): void
  close(message: { readonly type: string; readonly name?: string | undefined }): void
  sync(): void
}

export function internalsOf(client: ClientBase): ClientInternals {
  return client as unknown as ClientInternals
}

/** Returns `undefined` for pg-native, which does not expose its connection. */
export function connectionOf(
  client: ClientBase,
): (Client['connection'] & ConnectionInternals) | undefined {
  return internalsOf(client).connection
}

/** Returns the query that the server is answering. */
export function activeQueryOf(client: ClientBase): ActiveQuery | undefined {
  const internals = internalsOf(client)
  const active = '_activeQuery' in internals ? internals._activeQuery : internals.activeQuery
  return active ?? undefined
}

/** Returns the queries that were sent behind the active one. */
export function sentQueriesOf(client: ClientBase): readonly ActiveQuery[] {
  return internalsOf(client)._sentQueryQueue ?? []
}

/** Returns the queries that the client has not sent yet. */
export function queuedQueriesOf(client: ClientBase): ActiveQuery[] {
  return internalsOf(client)._queryQueue ?? []
}

/** Returns the last query, if it is not answered yet. */
export function lastQueryOf(client: ClientBase): ActiveQuery | undefined {
  return queuedQueriesOf(client).at(-1) ?? sentQueriesOf(client).at(-1) ?? activeQueryOf(client)
}

/** Whether pg says that the server waits for a query. */
export function isReady(client: ClientBase): boolean {
  return internalsOf(client).readyForQuery === true && !isQueueing(client)
}

/** Whether a query is not answered yet, as far as the client tells. */
export function isPending(client: ClientBase): boolean {
  return internalsOf(client).readyForQuery === false || isQueueing(client)
}

/** In the callback of a query, the client is ready, and yet about to send the next one. */
function isQueueing(client: ClientBase): boolean {
  return queuedQueriesOf(client).length > 0 || sentQueriesOf(client).length > 0
}

/** Whether the client would send a query and could be answered, as far as is known without asking the server. */
export function isQueryable(client: ClientBase): boolean {
  const { _queryable, _connectionError, _ending, _ended } = internalsOf(client)
  if (_queryable === false || _connectionError === true) return false
  if (_ending === true || _ended === true) return false
  const connection = connectionOf(client)
  if (connection === undefined) return true
  return connection.stream.readable && connection.stream.writable
}

/** Whether queries are sent before the ones ahead of them are answered. */
export function isPipelining(client: ClientBase): boolean {
  return internalsOf(client).pipeline === true
}

/** Whether this version of pg has a pipeline mode: since pg 8.22. */
export function hasPipeline(client: ClientBase): boolean {
  return '_sentQueryQueue' in client
}

/** Whether pg limits how long the answer to a query may take. */
export function hasTimeout(client: ClientBase, query: unknown): boolean {
  const { query_timeout } = query as { readonly query_timeout?: unknown }
  return Boolean(query_timeout || internalsOf(client).connectionParameters?.query_timeout)
}
