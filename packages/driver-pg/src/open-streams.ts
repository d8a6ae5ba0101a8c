import type { EventEmitter } from 'node:events'
import type { Client } from 'pg'
import { type ActiveQuery, activeQueryOf, queuedQueriesOf } from './internals.ts'

/** Why a connection ends: queries behind an open stream are never answered. */
export const leftOpen = 'a cursor or a COPY was left open, which must be read to its end, or closed'

/** Returns the stream, active or queued, that only its holder can end: an open cursor, or a COPY. */
export function openStreamOf(client: Client): EventEmitter | undefined {
  const active = activeQueryOf(client)
  if (active && !endsByItself(active)) return active
  return queuedQueriesOf(client).find((queued) => !endsByItself(queued))
}

function endsByItself(query: ActiveQuery): boolean {
  const state = query.cursor?.state ?? query.state
  if (state !== undefined) return state === 'done' || state === 'error'
  // A COPY TO goes on when its stream is destroyed: nobody reads the connection then.
  if (query.readableEnded !== undefined) return query.readableEnded
  // A COPY FROM is called off.
  if (query.writableEnded !== undefined) {
    return query.writableEnded || query.destroyed === true
  }
  return true
}
