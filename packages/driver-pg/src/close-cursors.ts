import type { ClientBase } from 'pg'
import { connectionOf } from './internals.ts'

type Listener = () => void

/**
 * Lets cursors close after their connection has ended. pg-cursor waits for the server to be ready, which it never will be again, and
 * a stream of rows would neither end nor fail. Call before the client connects.
 */
export function closeCursorsWithConnection(client: ClientBase): void {
  const connection = connectionOf(client)
  connection?.on('end', () => {
    for (const listener of connection.rawListeners('readyForQuery')) {
      // A `once` listener waits for a close. pg's own listener is permanent.
      if ('listener' in listener) setImmediate(listener as unknown as Listener)
    }
    connection.on('newListener', (event, listener: Listener) => {
      if (event === 'readyForQuery') setImmediate(listener)
    })
  })
}
