import type { Lease } from '@forksafe/core'
import { once } from 'node:events'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Client, Connection } from 'pg'
import { streamFactoryOf } from './create-client.ts'
import { type ConnectionInternals, internalsOf } from './internals.ts'

/**
 * The longest wait for the server. Longer than the pool waits: a request that is too late for the pool may still end the statement on
 * the server.
 */
const CANCEL_TIMEOUT_MILLIS = 5_000

/**
 * Cancels the statement that runs on a lent connection, by a request on a separate connection with the same encryption. When this
 * settles, the server has passed the request on, so that it cannot cancel a statement of the next holder.
 * @throws if the request could not be passed on.
 */
export async function cancel({ resource: client }: Lease<Client>): Promise<void> {
  const { ssl, sslNegotiation } = client.connection as Client['connection'] & ConnectionInternals
  const stream = streamFactoryOf(client) ?? (() => new SocketLike(client.connection.stream))
  const config = { stream, ssl, sslNegotiation, keepAlive: false }
  const connection = new Connection(config) as Connection & ConnectionInternals
  const { stream: socket } = connection
  // `once` below reports the first error. TLS and its socket may emit more.
  connection.on('error', () => undefined)
  const { processID, secretKey } = internalsOf(client)
  connection.once(ssl === false ? 'connect' : 'sslconnect', () =>
    connection.cancel(processID, secretKey),
  )
  if (ssl !== false && sslNegotiation !== 'direct') {
    connection.once('connect', () => connection.requestSsl())
  }
  try {
    connect(connection, client)
    // The server closes the connection when it is done. Closing it here would tell a pooler such as PgBouncer to drop the request.
    await once(connection, 'end', { signal: AbortSignal.timeout(CANCEL_TIMEOUT_MILLIS) })
  } finally {
    socket.destroy()
  }
}

function connect(connection: ConnectionInternals, { host, port }: Client): void {
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`)
  else connection.connect(port, host)
}

/** Connects to the address of another socket: the host name may resolve to another one by now. */
class SocketLike extends Socket {
  readonly #other: Duplex

  constructor(other: Duplex) {
    super()
    this.#other = other
  }

  override connect(...to: unknown[]): this {
    const { remoteAddress, remotePort } = this.#other as Partial<Socket>
    // A Unix socket has neither: connect to its path.
    if (remoteAddress === undefined) return super.connect(...(to as [never]))
    return super.connect(Number(remotePort), remoteAddress)
  }
}
