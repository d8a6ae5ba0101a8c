import { keepListeners } from '@forksafe/core/methods'
import type { EventEmitter } from 'node:events'
import type { MysqlClient } from './client.ts'
import { untyped } from './internals.ts'
import { sessionOf } from './session.ts'

type Listener = (...args: unknown[]) => void

const watchers = new WeakMap<MysqlClient, Listener>()

/** Calls `lost` when the connection has ended. Holders cannot prevent that by `removeAllListeners()`. */
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
    // mysql2 itself calls `removeAllListeners('data')` to stop reading.
    keepListeners(emitter, { byOff: true, byEvent: ['data'] })
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
