import type { ClientBase } from 'pg'
import { activeQueryOf, hasTimeout, lastQueryOf } from './internals.ts'
import { markUnresponsive } from './unusable-session.ts'

/** pg gives this error no code. */
const TIMED_OUT = 'Query read timeout'

type Query = (config: unknown, values?: unknown, callback?: unknown) => unknown

/**
 * Marks the session as unresponsive when a `query_timeout` ends the wait for an answer: the server continues to run the query for an
 * unknown time. A query that was not sent by then has no effect.
 */
export function detectQueryTimeouts(client: ClientBase): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its client
  const query = client.query as Query
  const detecting: Query = (config, values, callback) => {
    const result = query.call(client, config, values, callback)
    if (hasTimeout(client, config)) detectQueryTimeout(client)
    return result
  }
  Object.assign(client, { query: detecting })
}

function detectQueryTimeout(client: ClientBase): void {
  const last = lastQueryOf(client)
  if (last === undefined) return
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its query
  const { handleError } = last
  last.handleError = (error, connection) => {
    if (activeQueryOf(client) === last && (error as Error).message === TIMED_OUT) {
      markUnresponsive(client, 'a query was not answered within its `query_timeout`')
    }
    handleError.call(last, error, connection)
  }
}
