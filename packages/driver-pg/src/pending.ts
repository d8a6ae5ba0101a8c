import type { ClientBase } from 'pg'

/** What pg knows of a client and does not type; `_sentQueryQueue` since pg 8.22, for its `pipeline`. */
interface Inner {
  readonly readyForQuery?: boolean
  readonly _queryQueue?: readonly unknown[]
  readonly _sentQueryQueue?: readonly unknown[]
}

/** Whether pg says that the server waits for a query. */
export function isReady(client: ClientBase): boolean {
  return (client as Inner).readyForQuery === true && !isQueueing(client)
}

/** Whether a query has yet to be answered, as far as the client tells. */
export function isPending(client: ClientBase): boolean {
  return (client as Inner).readyForQuery === false || isQueueing(client)
}

/** In a query's callback the client is ready, and yet about to send what was asked behind it. */
function isQueueing(client: ClientBase): boolean {
  const { _queryQueue: queued = [], _sentQueryQueue: sent = [] } = client as Inner
  return queued.length > 0 || sent.length > 0
}
