import type { EventEmitter } from 'node:events'

/** The name of an event. */
type Event = string | symbol
type Listener = (...details: unknown[]) => void

/** The kept listeners that holders may remove. */
export interface KeptListeners {
  /** Whether `off` and `removeListener` remove kept listeners. Default `false`. */
  readonly byOff?: boolean
  /** Events whose listeners `removeAllListeners(event)` removes: the client itself relies on it. Default: none. */
  readonly byEvent?: readonly Event[]
}

const kept = new WeakMap<EventEmitter, Set<unknown>>()

/**
 * Makes the present listeners of `emitter` survive `removeAllListeners` and `off`, which holders call to remove their own. Without the
 * listeners of the pool and the client, the end of a connection would go unnoticed, and an `error` event would end the process.
 */
export function keepListeners(emitter: EventEmitter, removable: KeptListeners = {}): void {
  const present = emitter.eventNames().flatMap((event) => emitter.rawListeners(event))
  kept.set(emitter, new Set(present))
  const removeAll = emitter.removeAllListeners.bind(emitter)
  define(emitter, 'removeAllListeners', (...events: [event?: Event]) => {
    // In Node, `undefined` is the name of an event without listeners.
    const [event] = events
    if (event !== undefined && removable.byEvent?.includes(event) === true) return removeAll(event)
    const named = events.filter((name) => name !== undefined)
    removeOtherListeners(emitter, events.length === 0 ? emitter.eventNames() : named)
    return emitter
  })
  if (removable.byOff === true) return
  const off = emitter.off.bind(emitter)
  const offOthers = (event: Event, listener: Listener): EventEmitter =>
    isKept(emitter, event, listener) ? emitter : off(event, listener)
  define(emitter, 'off', offOthers)
  define(emitter, 'removeListener', offOthers)
}

/** Keeps one more listener of an emitter that `keepListeners` was called with. */
export function keepListener(emitter: EventEmitter, listener: unknown): void {
  kept.get(emitter)?.add(listener)
}

/** Whether `keepListeners` was called with the emitter. */
export function keepsListeners(emitter: EventEmitter): boolean {
  return kept.has(emitter)
}

/** Removes all listeners of these events but those that are kept. Default: of all events. */
export function removeOtherListeners(
  emitter: EventEmitter,
  events: readonly Event[] = emitter.eventNames(),
): void {
  const keeps = kept.get(emitter)
  for (const event of events) {
    const others = emitter.rawListeners(event).filter((listener) => keeps?.has(listener) !== true)
    // The last first: `off` removes the last match, which may be a `once` listener around the same function.
    while (others.length > 0) emitter.off(event, others.pop() as Listener)
  }
}

/** Node itself removes a `once` listener by its wrapper, which is not what a holder passes to `off`. */
function isKept(emitter: EventEmitter, event: Event, listener: unknown): boolean {
  const keeps = kept.get(emitter)
  const raw = emitter.rawListeners(event)
  const shown = emitter.listeners(event)
  return shown.some((own, i) => own === listener && keeps?.has(raw[i]) === true)
}

function define(emitter: EventEmitter, method: keyof EventEmitter, value: unknown): void {
  Object.defineProperty(emitter, method, { value, configurable: true, writable: true })
}
