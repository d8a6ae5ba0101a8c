import type { Lease } from '@forksafe/core'
import { once } from 'node:events'
import type { Client } from 'pg'
import { connectedLike } from './sockets.ts'

const CANCEL_REQUEST_CODE = 80877102
/** The longest that a server may take to answer, before the connection is given up instead. */
const CANCEL_TIMEOUT_MILLIS = 5_000

/** What pg knows of a session and does not type. */
interface Session {
  readonly processID: number
  readonly secretKey: number
}

/**
 * Cancels the statement that runs on a lent connection, by a request on a connection of its own. When this settles the
 * server has passed it on, so that it cannot strike what the next holder runs.
 * @throws what kept the request from being passed on.
 */
export async function cancel({ resource: client }: Lease<Client>): Promise<void> {
  const { processID, secretKey } = client as Client & Session
  const request = Buffer.alloc(16)
  for (const [index, word] of [16, CANCEL_REQUEST_CODE, processID, secretKey].entries()) {
    request.writeInt32BE(word, index * 4)
  }
  // Without TLS, as libpq does it: nothing in it is of use to anyone but this session's server.
  const socket = connectedLike(client)
  try {
    // No FIN after it: to a pooler such as PgBouncer that would say that nobody wants it any more.
    socket.write(request)
    // The server says nothing and hangs up when it is done.
    socket.resume()
    await once(socket, 'close', { signal: AbortSignal.timeout(CANCEL_TIMEOUT_MILLIS) })
  } finally {
    socket.destroy()
  }
}
