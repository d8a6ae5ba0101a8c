import { AbstractConnector, type Redis } from 'ioredis'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { ioredisConnector } from './internals.ts'

/** The options that ioredis passes to a connector: the client's, with defaults. */
interface Address {
  readonly path?: string | null
  readonly host?: string
  readonly port?: number
  readonly family?: number
  readonly tls?: ConnectionOptions | true
  readonly disconnectTimeout: number
}

/** Emits an event of the client. */
export type Emit = (event: string, error: Error) => void

/**
 * Connects as ioredis's own connector does, and keeps the bare socket below TLS, which a child process discards. ioredis
 * makes one connector for each client, including duplicates that a holder makes.
 */
export class BareConnector extends AbstractConnector {
  /** The first reply of the server, if it was an error. */
  refusal: Error | undefined
  /** The bare socket, below TLS if there is any. */
  protected socket: Socket | undefined
  readonly #address: Address
  #discarded = false
  #referenced = true

  constructor(address: unknown) {
    super((address as Address).disconnectTimeout)
    this.#address = address as Address
  }

  override async connect(emit: Emit): Promise<Socket | TLSSocket> {
    if (this.#discarded) throw new Error('Connection is closed.')
    this.stream = await this.open(emit)
    this.stream.once('error', (error) => (this.firstError = error))
    const connected = this.stream === this.socket ? 'connect' : 'secureConnect'
    this.stream.once(connected, () => this.#connected(this.stream))
    this.setReferenced(this.#referenced)
    return this.stream
  }

  protected async open(_emit: Emit): Promise<Socket | TLSSocket> {
    const { path, host, port = 6379, family, tls } = this.#address
    const socket = new Socket()
    this.socket = socket
    if (path) socket.connect({ path })
    else socket.connect({ port, ...(host && { host }), ...(family && { family }) })
    return tls ? connectTls({ socket, ...(host && { host }), ...tlsOptions(tls) }) : socket
  }

  /**
   * A server that is full sends an error and closes the connection. A second write would then fail with a broken pipe before
   * the error is read, so the handshake is sent in one piece. ioredis reports the last reply of the handshake, so the first
   * is read here.
   */
  #connected(stream: Duplex): void {
    stream.cork()
    process.nextTick(() => stream.uncork())
    stream.once('data', (data: Buffer) => {
      const [, message] = /^-(.+)\r\n/.exec(data.toString('latin1')) ?? []
      if (message !== undefined) this.refusal = new Error(message)
    })
  }

  /** Ends the stream, with a TLS alert if there is TLS. Does nothing after `discard`. */
  override disconnect(): void {
    if (this.socket?.destroyed !== true) super.disconnect()
  }

  /** Closes this process's copy of the socket silently, and prevents further connects. */
  discard(): void {
    this.#discarded = true
    this.socket?.destroy()
  }

  /** The address it connects to, such as `127.0.0.1:6379`. */
  get peer(): string {
    const { path, host = 'localhost', port = 6379 } = this.#address
    return path ?? `${host}:${port}`
  }

  get writable(): boolean {
    return this.stream.writable
  }

  /** Resolves once the socket is closed, by either side. */
  async closed(): Promise<void> {
    const { socket } = this
    if (socket === undefined || socket.closed) return
    await new Promise((resolve) => socket.once('close', resolve))
  }

  /** Whether the connection keeps the process alive, as it does while it is lent. */
  get referenced(): boolean {
    return this.#referenced
  }

  /** Sets whether this connection, and the next one of the client, keeps the process alive. */
  setReferenced(referenced: boolean): void {
    this.#referenced = referenced
    const stream: (Duplex & Pick<Socket, 'ref' | 'unref'>) | undefined = this.stream
    if (referenced) stream?.ref()
    else stream?.unref()
  }
}

function tlsOptions(tls: ConnectionOptions | true): ConnectionOptions {
  return tls === true ? {} : tls
}

/** Destroys the bare socket silently, and stops ioredis from reconnecting and from sending anything again. */
export function discard(client: Redis): void {
  connectorOf(client).discard()
  client.disconnect()
}

/** Returns the connector of a client that this driver opened. */
export function connectorOf(client: Redis): BareConnector {
  return ioredisConnector(client) as BareConnector
}
