import type { Client } from 'pg'

type Listener = (...details: unknown[]) => void

/** The pool's own, which stay. */
const kept = new WeakMap<Client, ReadonlySet<unknown>>()

/** From now on, who listens to the client is its holder. */
export function keepListeners(client: Client): void {
  const listeners = client.eventNames().flatMap((event) => client.rawListeners(event))
  kept.set(client, new Set(listeners))
}

/** Takes away what its holder listened by: the next one would be heard by it, and add another. */
export function removeHolders(client: Client): void {
  const own = kept.get(client)
  if (own === undefined) return
  for (const event of client.eventNames()) {
    for (const listener of client.rawListeners(event)) {
      if (!own.has(listener)) client.off(event, listener as Listener)
    }
  }
}
