import type { EventEmitter } from 'node:events'

type Event = string | symbol
type Listener = (...details: unknown[]) => void

/**
 * Makes the present listeners of `emitter` survive `removeAllListeners` and `off`, which holders call to remove their own.
 * Without the listeners of the pool and of ioredis, the end of the connection would go unnoticed, and an `error` event would
 * end the process.
 */
export function keepListeners(emitter: EventEmitter): void {
  const kept = new Map(
    emitter
      .eventNames()
      .map((event) => [event, new Set(emitter.rawListeners(event) as Listener[])]),
  )
  // `listeners` shows a `once` listener without its wrapper; Node itself removes it by the wrapper.
  const shown = new Map([...kept.keys()].map((event) => [event, new Set(emitter.listeners(event))]))
  const removeAll = emitter.removeAllListeners.bind(emitter)
  const remove = emitter.removeListener.bind(emitter)

  emitter.removeAllListeners = (...events: [Event?]) => {
    const named = events.filter((event) => event !== undefined)
    const names = events.length === 0 ? [...kept.keys()] : named
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
