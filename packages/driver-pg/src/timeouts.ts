import type { ClientBase } from 'pg'
import { lastAskedOn, runningOn } from './running.ts'
import { leaveUnsure, timesOut } from './spoiled.ts'

/** pg has no code for it. */
const TIMED_OUT = 'Query read timeout'

type Query = (config: unknown, values?: unknown, callback?: unknown) => unknown

/**
 * Has a client remember that a `query_timeout` has ended the wait for an answer: the server goes on, and nobody knows for how long.
 * A query that was not sent by then leaves no trace.
 */
export function noticeTimeouts(client: ClientBase): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its client
  const query = client.query as Query
  const noticing: Query = (config, values, callback) => {
    const result = query.call(client, config, values, callback)
    if (timesOut(client, config)) noticeTimeout(client)
    return result
  }
  Object.assign(client, { query: noticing })
}

function noticeTimeout(client: ClientBase): void {
  const asked = lastAskedOn(client)
  if (asked === undefined) return
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its query
  const { handleError } = asked
  asked.handleError = (error, connection) => {
    if (runningOn(client) === asked && (error as Error).message === TIMED_OUT) {
      leaveUnsure(client, 'a query was not answered within its `query_timeout`')
    }
    handleError.call(asked, error, connection)
  }
}
