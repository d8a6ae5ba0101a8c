import type { EventEmitter } from 'node:events'

type Event = string | symbol
type Listener = (...details: unknown[]) => void

/**
 * Makes the listeners that `emitter` has now survive `removeAllListeners`, and `off` with one of them: holders of a
 * connection call these to remove their own. Without the listeners of the pool and of ioredis, nobody would notice the
 * end of the connection, and an `error` event would end the process.
 */
export function keepListeners(emitter: EventEmitter): void {
  const kept = new Map(
    emitter
      .eventNames()
      .map((event) => [event, new Set(emitter.rawListeners(event) as Listener[])]),
  )
  // What `listeners` shows of a `once`. Node itself removes those by the wrapper around them.
  const shown = new Map([...kept.keys()].map((event) => [event, new Set(emitter.listeners(event))]))
  const removeAll = emitter.removeAllListeners.bind(emitter)
  const remove = emitter.removeListener.bind(emitter)

  emitter.removeAllListeners = (...events: [Event?]) => {
    const names = events.length === 0 ? [...kept.keys()] : (events as Event[])
    const present = names.map((event) => [event, new Set(emitter.rawListeners(event))] as const)
    removeAll(...events)
    for (const [event, before] of present) {
      const left = emitter.rawListeners(event)
      for (const listener of kept.get(event) ?? []) {
        if (before.has(listener) && !left.includes(listener)) emitter.on(event, listener)
      }
    }
    return emitter
  }
  emitter.removeListener = emitter.off = (event: Event, listener: Listener) =>
    shown.get(event)?.has(listener) === true ? emitter : remove(event, listener)
}
