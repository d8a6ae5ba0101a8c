import type { EventEmitter } from 'node:events'
import type { MysqlClient } from './client.ts'
import { untyped } from './internals.ts'
import { sessionOf } from './session.ts'

type Listener = (...args: unknown[]) => void

const watchers = new WeakMap<MysqlClient, Listener>()

/** Tells when the connection has ended. Holders cannot take that away by `removeAllListeners()`. */
export function watch(client: MysqlClient, lost: (error: Error) => void): void {
  const { connection } = client
  const { socket } = sessionOf(client)
  const { stream } = untyped(connection)
  let reason: Error | undefined
  connection.on('error', (error: Error & { readonly fatal?: boolean }) => {
    reason ??= error
    if (error.fatal === true) lost(error)
  })
  const closed = (): void => lost(reason ?? new Error('The connection ended.'))
  socket.on('close', closed)
  watchers.set(client, closed)
  for (const emitter of new Set<EventEmitter>([client, connection, stream, socket])) {
    keepListeners(emitter)
  }
}

/** Whether the end of the connection is still noticed, and its answers are: a holder may have removed the listeners one by one. */
export function isWatched(client: MysqlClient): boolean {
  const { connection } = client
  const { socket } = sessionOf(client)
  const { stream } = untyped(connection)
  const watcher = watchers.get(client)
  return (
    watcher === undefined ||
    (socket.listeners('close').includes(watcher) &&
      connection.listenerCount('error') > 0 &&
      stream.listenerCount('error') > 0 &&
      stream.listenerCount('data') > 0)
  )
}

/** Makes `removeAllListeners` spare the listeners that are there now. */
function keepListeners(emitter: EventEmitter): void {
  const kept = new Set<unknown>(
    emitter.eventNames().flatMap((event) => emitter.rawListeners(event)),
  )
  const removeAllListeners = emitter.removeAllListeners.bind(emitter)
  emitter.removeAllListeners = (...events: [event?: string | symbol]) => {
    const names =
      events.length === 0 ? emitter.eventNames() : events.filter((event) => event !== undefined)
    // By `removeAllListeners('data')`, mysql2 itself stops reading.
    const spared = (events[0] === 'data' ? [] : names).flatMap((name) =>
      emitter
        .rawListeners(name)
        .filter((listener) => kept.has(listener))
        .map((listener) => [name, listener] as const),
    )
    removeAllListeners(...events)
    for (const [name, listener] of spared) emitter.on(name, listener as Listener)
    return emitter
  }
}
