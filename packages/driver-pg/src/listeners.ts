import { keepListeners, keepsListeners, removeOtherListeners } from '@forksafe/core/methods'
import type { EventEmitter } from 'node:events'
import type { ClientBase } from 'pg'
import { connectionOf } from './internals.ts'

/** Clients to which someone has added a listener since `keepClientListeners`. */
const listenedTo = new WeakSet<ClientBase>()

/**
 * Keeps the present listeners of a client, its connection and its socket: `removeAllListeners` removes only others, which are its
 * holder's.
 */
export function keepClientListeners(client: ClientBase): void {
  // pg types only its own events.
  const emitter: EventEmitter = client
  emitter.on('newListener', () => listenedTo.add(client))
  // pg itself calls `off`. A holder that does is noticed by `hasListeners`.
  for (const each of emittersOf(client)) keepListeners(each, { byOff: true })
}

/** Removes the listeners that a holder has added to its client. */
export function removeHolderListeners(client: ClientBase): void {
  if (listenedTo.delete(client)) removeOtherListeners(client)
}

/** Whether pg and the pool still have the listeners without which they would not notice the end of the client. */
export function hasListeners(client: ClientBase): boolean {
  // The pool adds its own in `watch`.
  if (!listens(client, 'error') || (keepsListeners(client) && !listens(client, 'end'))) return false
  const connection = connectionOf(client)
  if (connection === undefined) return true
  const { stream } = connection
  return (
    listens(connection, 'error') &&
    listens(connection, 'end') &&
    listens(connection, 'readyForQuery') &&
    listens(stream, 'data') &&
    listens(stream, 'error') &&
    listens(stream, 'close')
  )
}

/** Keeps an error from ending the process while the client ends, even if its holder has removed the listeners. */
export function ignoreErrors(client: ClientBase): void {
  for (const emitter of emittersOf(client)) {
    if (!listens(emitter, 'error')) emitter.on('error', () => undefined)
  }
}

function listens(emitter: EventEmitter, event: string): boolean {
  return emitter.listenerCount(event) > 0
}

function emittersOf(client: ClientBase): EventEmitter[] {
  const connection = connectionOf(client)
  return connection === undefined ? [client] : [client, connection, connection.stream]
}
