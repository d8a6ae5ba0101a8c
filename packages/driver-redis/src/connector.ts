import { AbstractConnector, type Redis } from 'ioredis'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** What ioredis hands to a connector: the client's options, with its defaults. */
interface Address {
  readonly path?: string | null
  readonly host?: string
  readonly port?: number
  readonly family?: number
  readonly tls?: ConnectionOptions | true
  readonly disconnectTimeout: number
}

/** Emits an event of the client. */
export type Tell = (type: string, error: Error) => void

/**
 * Connects as ioredis's own connector does, but knows the bare socket, under TLS and protocol: what a process lets go of.
 * ioredis makes one for each client, also for a duplicate that the holder of a client makes of it.
 */
export class BareConnector extends AbstractConnector {
  /** The first thing that the server said, if it was an error. */
  refusal: Error | undefined
  /** Under TLS, if there is any. */
  protected socket: Socket | undefined
  readonly #address: Address
  #letGo = false
  #held = true

  constructor(address: unknown) {
    super((address as Address).disconnectTimeout)
    this.#address = address as Address
  }

  override async connect(tell: Tell): Promise<Socket | TLSSocket> {
    if (this.#letGo) throw new Error('Connection is closed.')
    this.stream = await this.open(tell)
    this.stream.once('error', (error) => (this.firstError = error))
    const connected = this.stream === this.socket ? 'connect' : 'secureConnect'
    this.stream.once(connected, () => this.#connected(this.stream))
    this.hold(this.#held)
    return this.stream
  }

  protected async open(_tell: Tell): Promise<Socket | TLSSocket> {
    const { path, host, port = 6379, family, tls } = this.#address
    const socket = new Socket()
    this.socket = socket
    if (path) socket.connect({ path })
    else socket.connect({ port, ...(host && { host }), ...(family && { family }) })
    return tls ? connectTls({ socket, ...(host && { host }), ...tlsOptions(tls) }) : socket
  }

  /**
   * A server that has no room says so and hangs up. Whoever writes twice then learns of the broken pipe and not of the
   * answer, so the handshake leaves in one piece; and ioredis, which goes by the last of its answers, does not see the first.
   */
  #connected(stream: Duplex): void {
    stream.cork()
    process.nextTick(() => stream.uncork())
    stream.once('data', (answer: Buffer) => {
      const [, words] = /^-(.+)\r\n/.exec(answer.toString('latin1')) ?? []
      if (words !== undefined) this.refusal = new Error(words)
    })
  }

  /** Ends the stream, with TLS's own goodbye; not one that was let go of. */
  override disconnect(): void {
    if (this.socket?.destroyed !== true) super.disconnect()
  }

  /** Closes this process's copy of the socket, and nothing above it. There will be no other. */
  letGo(): void {
    this.#letGo = true
    this.socket?.destroy()
  }

  /** Whom it is connected to, as in `127.0.0.1:6379`. */
  get peer(): string {
    const { path, host = 'localhost', port = 6379 } = this.#address
    return path ?? `${host}:${port}`
  }

  get writable(): boolean {
    return this.stream.writable
  }

  /** Resolves once the socket is closed, whoever closed it. */
  async closed(): Promise<void> {
    const { socket } = this
    if (socket === undefined || socket.closed) return
    await new Promise((resolve) => socket.once('close', resolve))
  }

  /** Whether it holds the process open, as it does while it is lent. */
  get held(): boolean {
    return this.#held
  }

  /** Whether the connection, this and the next, holds the process open. */
  hold(held: boolean): void {
    this.#held = held
    const stream: (Duplex & Pick<Socket, 'ref' | 'unref'>) | undefined = this.stream
    if (held) stream?.ref()
    else stream?.unref()
  }
}

function tlsOptions(tls: ConnectionOptions | true): ConnectionOptions {
  return tls === true ? {} : tls
}

/** The bare socket goes, and ioredis is told that this is the end: not to connect anew, and not to send anything again. */
export function letGo(client: Redis): void {
  connectorOf(client).letGo()
  client.disconnect()
}

/** What ioredis keeps to itself. */
export function connectorOf(client: Redis): BareConnector {
  return (client as unknown as { readonly connector: BareConnector }).connector
}
