import { AbstractConnector } from 'ioredis'
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

/**
 * Connects as ioredis's own connector does, but knows the bare socket, under TLS and protocol: what a process lets go of.
 * ioredis makes one for each client, also for a duplicate that the holder of a client makes of it.
 */
export class BareConnector extends AbstractConnector {
  /** The first thing that the server said, if it was an error. */
  refusal: Error | undefined
  readonly #address: Address
  #socket: Socket | undefined

  constructor(address: unknown) {
    super((address as Address).disconnectTimeout)
    this.#address = address as Address
  }

  override async connect(): Promise<Socket | TLSSocket> {
    const { path, host, port = 6379, family, tls } = this.#address
    const socket = new Socket()
    this.#socket = socket
    if (path) socket.connect({ path })
    else socket.connect({ port, ...(host && { host }), ...(family && { family }) })
    this.stream = tls ? connectTls({ socket, ...(host && { host }), ...tlsOptions(tls) }) : socket
    this.stream.once('error', (error) => (this.firstError = error))
    this.stream.once(tls ? 'secureConnect' : 'connect', () => this.#connected(this.stream))
    return this.stream
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
    if (this.#socket?.destroyed !== true) super.disconnect()
  }

  /** Closes this process's copy of the socket, and nothing above it. */
  letGo(): void {
    this.#socket?.destroy()
  }

  get writable(): boolean {
    return this.stream.writable
  }

  /** Resolves once the socket is closed, whoever closed it. */
  async closed(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.closed) return
    await new Promise((resolve) => socket.once('close', resolve))
  }

  /** Whether the stream holds the process open. */
  hold(held: boolean): void {
    const stream: Duplex & Pick<Socket, 'ref' | 'unref'> = this.stream
    if (held) stream.ref()
    else stream.unref()
  }
}

function tlsOptions(tls: ConnectionOptions | true): ConnectionOptions {
  return tls === true ? {} : tls
}
