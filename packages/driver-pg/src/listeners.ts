import type { EventEmitter } from 'node:events'
import type { Client } from 'pg'

type Listener = (...details: unknown[]) => void

/** The pool's own, which stay. */
const kept = new WeakMap<Client, ReadonlySet<unknown>>()
/** Somebody listens since. */
const listenedTo = new WeakSet<Client>()

/** From now on, who listens to the client is its holder. */
export function keepListeners(client: Client): void {
  // pg types only its own events.
  const emitter: EventEmitter = client
  emitter.on('newListener', () => listenedTo.add(client))
  const listeners = client.eventNames().flatMap((event) => client.rawListeners(event))
  kept.set(client, new Set(listeners))
}

/** Takes away what its holder listened by: the next one would be heard by it, and add another. */
export function removeHolders(client: Client): void {
  if (!listenedTo.delete(client)) return
  for (const event of client.eventNames()) {
    for (const listener of client.rawListeners(event)) {
      if (kept.get(client)?.has(listener) !== true) client.off(event, listener as Listener)
    }
  }
}
