import type { Client, ClientBase } from 'pg'

type Listener = () => void

/**
 * Lets cursors close after their connection has ended. pg-cursor waits for the server to be ready, which it never will be again, and
 * a stream of rows would neither end nor fail. Call before the client connects.
 */
export function closeWithConnection(client: ClientBase): void {
  // pg-native has no connection.
  const { connection } = client as Partial<Client>
  connection?.on('end', () => {
    for (const listener of connection.rawListeners('readyForQuery')) {
      // Only that of a wait: pg itself listens for good.
      if ('listener' in listener) setImmediate(listener as unknown as Listener)
    }
    connection.on('newListener', (event, listener: Listener) => {
      if (event === 'readyForQuery') setImmediate(listener)
    })
  })
}
