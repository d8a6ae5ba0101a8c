import type { EventEmitter } from 'node:events'
import type { Client } from 'pg'

/** What a client may be busy with: a query of pg's own, a cursor, a stream around one, a COPY in or out. */
interface Running extends EventEmitter {
  /** A cursor's. */
  readonly state?: string
  readonly cursor?: { readonly state: string }
  readonly writableEnded?: boolean
  readonly readableEnded?: boolean
  readonly destroyed?: boolean
}

/** What pg knows of a client and does not type; `activeQuery` until pg 8.17. */
interface Busy {
  readonly _activeQuery?: Running | null
  readonly activeQuery?: Running | null
  readonly _queryQueue?: readonly Running[]
}

/** Why a connection ends: what is asked behind an open stream is never answered. */
export const leftOpen = 'a cursor or a COPY was left open, which must be read to its end, or closed'

/**
 * The stream that a client is in the middle of, or has yet to begin, where nothing will end it but its holder: an open
 * cursor, or a COPY.
 */
export function openStream(client: Client): EventEmitter | undefined {
  const busy = client as Client & Busy
  const running = '_activeQuery' in busy ? busy._activeQuery : busy.activeQuery
  if (running && !endsByItself(running)) return running
  return busy._queryQueue?.find((queued) => !endsByItself(queued))
}

function endsByItself(running: Running): boolean {
  const state = running.cursor?.state ?? running.state
  if (state !== undefined) return state === 'done' || state === 'error'
  // A COPY TO goes on when its stream is destroyed: nobody reads the connection then.
  if (running.readableEnded !== undefined) return running.readableEnded
  // A COPY FROM is called off.
  if (running.writableEnded !== undefined) {
    return running.writableEnded || running.destroyed === true
  }
  return true
}
