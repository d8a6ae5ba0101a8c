import type { Client, ClientBase } from 'pg'
import { activeQueryOf, connectionOf, internalsOf, isPipelining } from './internals.ts'

type OnData = (chunk: Buffer) => void

/**
 * Ends the session if an error is thrown while pg sends a query or reads an answer: by a `types.getTypeParser`, a `row` listener, a
 * callback, or a name that is not a string. pg would continue with half a message sent or read, and neither answer the query nor send
 * another. The query that it happened in fails with the error. Call before the client connects.
 */
export function endOnThrownErrors(client: ClientBase): void {
  const internals = internalsOf(client)
  const connection = connectionOf(client)
  if (connection?.attachListeners === undefined || internals._pulseQueryQueue === undefined) return
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = (stream) => {
    attach(stream)
    const read = stream.listeners('data').at(-1) as OnData
    stream.off('data', read)
    stream.on('data', (chunk: Buffer) => {
      try {
        read(chunk)
      } catch (error) {
        const isReported = internals._connecting === true || activeQueryOf(client) !== undefined
        endSession(connection, error)
        if (!isReported) throw error
      }
    })
  }
  const send = internals._pulseQueryQueue.bind(client)
  internals._pulseQueryQueue = () => {
    try {
      send()
    } catch (error) {
      endSession(connection, error)
      // In a pipeline, pg does not know which query it was.
      if (isPipelining(client)) throw error
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
