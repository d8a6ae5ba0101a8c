import type { Lease } from '@forksafe/core'
import { once } from 'node:events'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Client, Connection } from 'pg'
import { streamsOf } from './sockets.ts'
import type { Wire } from './wire.ts'

/**
 * How long the server may take to answer. Longer than the pool waits: a request that is late for the pool may still end the
 * statement on the server.
 */
const CANCEL_TIMEOUT_MILLIS = 5_000

/** What pg knows of a session and does not type. */
interface Session {
  readonly processID: number
  readonly secretKey: number
}

/**
 * Cancels the statement that runs on a lent connection, by a request on a connection of its own, which is as well
 * encrypted. When this settles the server has passed it on, so that it cannot strike what the next holder runs.
 * @throws what kept the request from being passed on.
 */
export async function cancel({ resource: client }: Lease<Client>): Promise<void> {
  const { ssl, sslNegotiation } = client.connection as Wire
  const stream = streamsOf(client) ?? (() => new SocketLike(client.connection.stream))
  const config = { stream, ssl, sslNegotiation, keepAlive: false }
  const wire = new Connection(config) as Wire
  const { stream: socket } = wire
  // The first error is told; there may be more, of TLS and of the socket under it.
  wire.on('error', () => undefined)
  const { processID, secretKey } = client as Client & Session
  wire.once(ssl === false ? 'connect' : 'sslconnect', () => wire.cancel(processID, secretKey))
  if (ssl !== false && sslNegotiation !== 'direct') wire.once('connect', () => wire.requestSsl())
  try {
    connect(wire, client)
    // The server says nothing and hangs up when it is done. We do not hang up: to a pooler such as PgBouncer that would
    // say that nobody wants it any more.
    await once(wire, 'end', { signal: AbortSignal.timeout(CANCEL_TIMEOUT_MILLIS) })
  } finally {
    socket.destroy()
  }
}

function connect(wire: Wire, { host, port }: Client): void {
  if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`)
  else wire.connect(port, host)
}

/** Connects to where another socket is: by now the name of that host may lead elsewhere. */
class SocketLike extends Socket {
  readonly #other: Duplex

  constructor(other: Duplex) {
    super()
    this.#other = other
  }

  override connect(...to: unknown[]): this {
    const { remoteAddress, remotePort } = this.#other as Partial<Socket>
    // A Unix socket has neither, and keeps its path.
    if (remoteAddress === undefined) return super.connect(...(to as [never]))
    return super.connect(Number(remotePort), remoteAddress)
  }
}
