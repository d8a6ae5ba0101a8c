import type { EventEmitter } from 'node:events'
import type { Client } from 'pg'
import { queuedOn, type Running, runningOn } from './running.ts'

/** Why a connection ends: what is asked behind an open stream is never answered. */
export const leftOpen = 'a cursor or a COPY was left open, which must be read to its end, or closed'

/**
 * The stream that a client is in the middle of, or has yet to begin, where nothing will end it but its holder: an open
 * cursor, or a COPY.
 */
export function openStream(client: Client): EventEmitter | undefined {
  const running = runningOn(client)
  if (running && !endsByItself(running)) return running
  return queuedOn(client).find((queued) => !endsByItself(queued))
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
