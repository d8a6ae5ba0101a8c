import type { Duplex } from 'node:stream'
import type { Client, ClientBase } from 'pg'
import { runningOn } from './running.ts'

/** Parts of a client that pg does not type; `pipeline` since pg 8.22. */
interface Inner {
  readonly connection?: Client['connection'] & { attachListeners?(stream: Duplex): void }
  readonly pipeline?: boolean
  readonly _connecting?: boolean
  _pulseQueryQueue?(): void
}

type OnData = (chunk: Buffer) => void

/**
 * Ends the session if an error is thrown while pg sends a query or reads an answer: by a `types.getTypeParser`, a `row` listener, a
 * callback, or a name that is no string. pg would go on with half a message sent or read, and neither answer the query nor send
 * another. The query that it happened in fails with the error. Before the client connects.
 */
export function containErrors(client: ClientBase): void {
  const inner = client as Inner
  const { connection } = inner
  // pg-native has no connection.
  if (connection?.attachListeners === undefined || inner._pulseQueryQueue === undefined) return
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = (stream) => {
    attach(stream)
    const read = stream.listeners('data').at(-1) as OnData
    stream.off('data', read)
    stream.on('data', (chunk: Buffer) => {
      try {
        read(chunk)
      } catch (error) {
        const isHeard = inner._connecting === true || runningOn(client) !== undefined
        endSession(connection, error)
        if (!isHeard) throw error
      }
    })
  }
  const send = inner._pulseQueryQueue.bind(client)
  inner._pulseQueryQueue = () => {
    try {
      send()
    } catch (error) {
      endSession(connection, error)
      // Only without a pipeline does pg know which query it was.
      if (inner.pipeline === true) throw error
    }
  }
}

function endSession(connection: Client['connection'], thrown: unknown): void {
  const error =
    thrown instanceof Error
      ? thrown
      : new Error('Expected an error to be thrown.', { cause: thrown })
  connection.stream.destroy(error)
  // pg builds the messages of all clients in one buffer. This empties it, and sends nothing on a destroyed stream.
  connection.query('')
}
