import type { ShareHooks } from '@forksafe/core'
import pg, { type ClientBase, type QueryConfig, type QueryResult } from 'pg'
import {
  connectionOf,
  type ConnectionInternals,
  internalsOf,
  isPending,
  isQueryable,
} from '../internals.ts'
import { isStatementError } from '../server-errors.ts'
import { isUnusable } from '../unusable-session.ts'
import type { ShareableStatement } from './request.ts'

/** More than this would wait in the socket's buffer. */
const MAX_BUFFERED_BYTES = 65_536

/** How a connection is shared. */
interface Sharing {
  lost: (error: Error) => void
  retire: () => void
  active: boolean
  /** The writes of this tick wait for `flush`. */
  corked: boolean
  /** Whether its user has set pg's `pipeline`. */
  pipelined: boolean
}

const sharings = new WeakMap<ClientBase, Sharing>()

type Connection = NonNullable<ReturnType<typeof connectionOf>>
type PrepareValue = (value: unknown) => unknown

/** pg's own conversion of values. Its types lack it. */
const { prepareValue } =
  (pg as unknown as { readonly utils?: { readonly prepareValue?: PrepareValue } }).utils ?? {}

/** Remembers how to end a connection that can no longer be shared. Call in `watch`. */
export function watchSharing(
  client: ClientBase,
  lost: (error: Error) => void,
  retire: () => void,
): void {
  Object.assign(sharingOf(client), { lost, retire })
}

/** The hooks of a driver whose resources have a client each. */
export function shareHooks<R extends object>(clientOf: (resource: R) => ClientBase): ShareHooks<R> {
  return {
    maxInFlight: 16,
    accepts: (resource) => isShareable(clientOf(resource)),
    begin(resource) {
      const client = clientOf(resource)
      const sharing = sharingOf(client)
      const internals = internalsOf(client)
      sharing.pipelined = internals.pipeline === true
      internals.pipeline = true
      sharing.active = true
    },
    end(resource) {
      const client = clientOf(resource)
      const sharing = sharingOf(client)
      sharing.active = false
      internalsOf(client).pipeline = sharing.pipelined
    },
    full(resource) {
      const { stream } = connectionOf(clientOf(resource)) as Connection
      return stream.writableNeedDrain || stream.writableLength > MAX_BUFFERED_BYTES
    },
    flush(resource) {
      const client = clientOf(resource)
      const sharing = sharingOf(client)
      if (!sharing.corked) return
      sharing.corked = false
      connectionOf(client)?.stream.uncork()
    },
  }
}

/**
 * Closes a connection that ends although shared statements are unanswered, as `close` past its deadline demands. In a pipeline, `end` of
 * pg would wait for the answers. Returns `false` if there are none to wait for.
 */
export function dropShared(client: ClientBase): boolean {
  if (sharings.get(client)?.active !== true || !isPending(client)) return false
  connectionOf(client)?.stream.destroy()
  return true
}

function sharingOf(client: ClientBase): Sharing {
  const known = sharings.get(client)
  if (known !== undefined) return known
  const ignore = (): void => undefined
  const sharing = { lost: ignore, retire: ignore, active: false, corked: false, pipelined: false }
  sharings.set(client, sharing)
  return sharing
}

/**
 * Whether a connection can be shared. With a `query_timeout` of its own it cannot: in a pipeline, pg ends the connection when one query
 * is late.
 */
function isShareable(client: ClientBase): boolean {
  const connection = connectionOf(client)
  if (connection === undefined || prepareValue === undefined) return false
  if (typeof client.getTransactionStatus !== 'function') return false
  if (internalsOf(client).connectionParameters?.query_timeout) return false
  return typeof connection.stream.cork === 'function' && refusesPortals(client)
}

const refusing = new WeakMap<object, boolean>()

/**
 * Whether the pipeline of this pg refuses what would keep a portal open, as it does since pg 8.23.1. Only then it is reliable. Asks a
 * client that has no connection, because the version of a bundled or patched pg is unknown.
 */
function refusesPortals(client: ClientBase): boolean {
  const prototype = Object.getPrototypeOf(client) as ClientBase
  const known = refusing.get(prototype)
  if (known !== undefined) return known
  const queue: unknown[] = []
  const probe = Object.assign(Object.create(prototype) as ClientBase, {
    pipeline: true,
    connectionParameters: {},
    _queryable: true,
    _ending: false,
    _queryQueue: queue,
    _sentQueryQueue: [],
    _pulseQueryQueue: () => undefined,
  })
  let refuses = false
  if ('_sentQueryQueue' in client) {
    probe.query({ submit: () => undefined, handleError: () => undefined } as never)
    refuses = queue.length === 0
  }
  refusing.set(prototype, refuses)
  return refuses
}

/**
 * Sends a statement. The promise settles once the server is ready for the next one.
 * @throws if a value cannot be converted. Then nothing was sent.
 */
export function send(client: ClientBase, statement: ShareableStatement): Promise<QueryResult> {
  const { text, config } = statement
  const sharing = sharings.get(client)
  const values = statement.values?.map((value) => (prepareValue as PrepareValue)(value))
  if (sharing?.active !== true) return client.query({ ...config, text, values } as QueryConfig)
  const connection = connectionOf(client) as Connection
  // The first statement leaves at once: a caller that awaits each answer would only wait longer.
  if (!sharing.corked && isPending(client)) {
    sharing.corked = true
    connection.stream.cork()
  }
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined, result: QueryResult): void => {
      const spoiled = error === undefined || isStatementError(error) ? leftOpen(client) : undefined
      if (spoiled !== undefined) {
        sharing.lost(spoiled)
        connection.stream.destroy()
      } else if (error !== undefined && isUnusable(client)) sharing.retire()
      if (error !== undefined) reject(error)
      else if (spoiled !== undefined) reject(spoiled)
      else resolve(result)
    }
    const answered = (error: Error | null | undefined, result: QueryResult): void => {
      if (!error) settle(undefined, result)
      else if (isAnswering(client) && isStatementError(error)) {
        // pg has told of the error, and the server is about to be ready.
        connection.once('readyForQuery', () => settle(error, result))
      } else settle(error, result)
    }
    // oxlint-disable-next-line typescript/unbound-method -- it is called with its client
    const query = client.query as (config: unknown, values: unknown, callback: unknown) => void
    const asked = config === undefined ? text : { ...named(connection, statement), text, values }
    query.call(client, asked, config === undefined ? values : undefined, answered)
  })
}

/**
 * Returns the options of a statement, without its name if the server has yet to confirm that it has prepared it. If it could not, it
 * would not know the name in the statements behind either, and not say why.
 */
function named(
  { parsedStatements, submittedNamedStatements }: ConnectionInternals,
  { text, config }: ShareableStatement,
): Partial<QueryConfig> {
  const name = config?.name
  if (config === undefined || !name) return { ...config }
  const isUnconfirmed =
    submittedNamedStatements?.[name] === text && parsedStatements[name] === undefined
  if (!isUnconfirmed) return config
  return { ...config, name: undefined, queryMode: 'extended' } as Partial<QueryConfig>
}

function isAnswering(client: ClientBase): boolean {
  return internalsOf(client).readyForQuery === false && isQueryable(client)
}

/** A statement that has not ended its transaction would take those behind it along. */
function leftOpen(client: ClientBase): Error | undefined {
  const status = client.getTransactionStatus()
  if (status === 'I' || status === null) return undefined
  return new Error(
    'The connection was ended because a statement that shares it left a transaction open. Whether other statements on it had an effect is unknown.',
  )
}
