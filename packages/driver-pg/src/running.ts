import type { EventEmitter } from 'node:events'
import type { ClientBase } from 'pg'

/** What a client runs: a query of pg's own, a cursor, a stream around one, a COPY in or out. */
export interface Running extends EventEmitter {
  readonly name?: string
  /** How many rows a query fetches at a time. */
  readonly rows?: number
  requiresPreparation?(): boolean
  handleError(error: unknown, connection: unknown): void
  /** A cursor's. */
  readonly state?: string
  readonly cursor?: { readonly state: string }
  readonly writableEnded?: boolean
  readonly readableEnded?: boolean
  readonly destroyed?: boolean
}

/** Parts of a client that pg does not type; `activeQuery` until pg 8.17, `_sentQueryQueue` since pg 8.22, for its `pipeline`. */
interface Inner {
  readonly _activeQuery?: Running | null
  readonly activeQuery?: Running | null
  readonly _queryQueue?: readonly Running[]
  readonly _sentQueryQueue?: readonly Running[]
}

/** Returns what the server is answering. */
export function runningOn(client: ClientBase): Running | undefined {
  const inner = client as Inner
  return ('_activeQuery' in inner ? inner._activeQuery : inner.activeQuery) ?? undefined
}

/** Returns what was asked last, if it is not answered yet. */
export function lastAskedOn(client: ClientBase): Running | undefined {
  const { _queryQueue: queued = [], _sentQueryQueue: sent = [] } = client as Inner
  return queued.at(-1) ?? sent.at(-1) ?? runningOn(client)
}

/** Returns what the client has yet to send. */
export function queuedOn(client: ClientBase): readonly Running[] {
  return (client as Inner)._queryQueue ?? []
}
