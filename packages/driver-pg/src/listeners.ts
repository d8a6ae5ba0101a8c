import type { EventEmitter } from 'node:events'
import type { Client, ClientBase } from 'pg'

type Listener = (...details: unknown[]) => void
type Connection = Client['connection']

/** The listeners of pg and of the pool, which no holder can remove by `removeAllListeners`. */
const kept = new WeakMap<EventEmitter, Set<unknown>>()
/** Somebody listens since. */
const listenedTo = new WeakSet<ClientBase>()

/**
 * Keeps the present listeners of a client, its connection and its socket: `removeAllListeners` removes only others, which are its
 * holder's. The pool could not notice the end of the client otherwise, and an `error` without a listener ends the process.
 */
export function keepListeners(client: ClientBase): void {
  // pg types only its own events.
  const emitter: EventEmitter = client
  emitter.on('newListener', () => listenedTo.add(client))
  for (const each of emittersOf(client)) keep(each)
}

/** Keeps one more listener. */
export function keepListener(emitter: EventEmitter, listener: unknown): void {
  kept.get(emitter)?.add(listener)
}

/** Removes what a holder has listened by: it would hear of the next one, who would add another. */
export function removeHolders(client: ClientBase): void {
  if (listenedTo.delete(client)) removeOthers(client, client.eventNames())
}

/** Whether pg and the pool would notice the end of a client. A holder can still remove each listener by itself. */
export function isHeard(client: ClientBase): boolean {
  const emitter: EventEmitter = client
  // The pool listens from `watch` on.
  if (!hears(emitter, 'error') || (kept.has(emitter) && !hears(emitter, 'end'))) return false
  const connection = connectionOf(client)
  if (connection === undefined) return true
  const { stream } = connection
  return (
    hears(connection, 'error') &&
    hears(connection, 'end') &&
    hears(connection, 'readyForQuery') &&
    hears(stream, 'data') &&
    hears(stream, 'error') &&
    hears(stream, 'close')
  )
}

/** Has an error that comes while the client ends not end the process, whoever has removed its listeners. */
export function ignoreErrors(client: ClientBase): void {
  for (const emitter of emittersOf(client)) {
    if (!hears(emitter, 'error')) emitter.on('error', () => undefined)
  }
}

function hears(emitter: EventEmitter, event: string): boolean {
  return emitter.listenerCount(event) > 0
}

function emittersOf(client: ClientBase): EventEmitter[] {
  const connection = connectionOf(client)
  return connection === undefined ? [client] : [client, connection, connection.stream]
}

/** pg-native has none. */
function connectionOf(client: ClientBase): Connection | undefined {
  return (client as Partial<Client>).connection
}

function keep(emitter: EventEmitter): void {
  kept.set(emitter, new Set(emitter.eventNames().flatMap((event) => emitter.rawListeners(event))))
  const removeAllListeners = (...events: [event?: string | symbol]): EventEmitter => {
    // In Node, `undefined` is the name of an event without listeners.
    const named = events.filter((event) => event !== undefined)
    removeOthers(emitter, events.length === 0 ? emitter.eventNames() : named)
    return emitter
  }
  Object.defineProperty(emitter, 'removeAllListeners', {
    value: removeAllListeners,
    configurable: true,
    writable: true,
  })
}

function removeOthers(emitter: EventEmitter, events: (string | symbol)[]): void {
  for (const event of events) {
    for (const listener of emitter.rawListeners(event)) {
      if (kept.get(emitter)?.has(listener) !== true) emitter.off(event, listener as Listener)
    }
  }
}
