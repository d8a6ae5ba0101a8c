import { type Redis, SentinelConnector, type SentinelConnectionOptions } from 'ioredis'
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { BareConnector, connectorOf, discard, type Emit } from './connector.ts'
import { sentinelMethods } from './internals.ts'

/** Connects to the server that the sentinels name. They are asked before each connect, since it may have changed. */
export class BareSentinelConnector extends BareConnector {
  readonly #finder: ServerFinder

  constructor(options: unknown) {
    super(options)
    this.#finder = new ServerFinder(options as SentinelConnectionOptions)
  }

  protected override async open(emit: Emit): Promise<Socket | TLSSocket> {
    const stream = await this.#finder.connect(emit)
    this.socket = this.#finder.socket ?? stream
    return stream
  }

  /** Ends the stream and the connections to sentinels. */
  override disconnect(): void {
    this.#finder.disconnect()
  }

  override discard(): void {
    super.discard()
    this.#finder.discard()
  }

  override async closed(): Promise<void> {
    await Promise.all([
      super.closed(),
      ...this.#finder.clients.map((client) => connectorOf(client).closed()),
    ])
  }

  override setReferenced(referenced: boolean): void {
    super.setReferenced(referenced)
    for (const client of this.#finder.clients) connectorOf(client).setReferenced(referenced)
  }
}

/** ioredis's own search for the server and detector of failovers, on connections that can be discarded. */
class ServerFinder extends SentinelConnector {
  /** The bare socket to the server, below TLS. */
  socket: Socket | undefined
  #clients: Redis[] = []
  #discarded = false

  constructor(options: SentinelConnectionOptions) {
    super(options)
    const methods = sentinelMethods(this)
    const connectToSentinel = methods.connectToSentinel.bind(this)
    const resolve = methods.resolve.bind(this)
    const secure = options.enableTLSForSentinelMode === true && options.tls !== undefined
    methods.connectToSentinel = (address, options) => {
      if (this.#discarded) throw new Error('Connection is closed.')
      const client = connectToSentinel(address, { ...options, Connector: BareConnector })
      this.#clients = [...this.clients, client]
      return client
    }
    methods.resolve = async (address) => {
      const found = await resolve(address)
      if (!secure || found === null) return found
      this.socket = new Socket().connect(found)
      // ioredis passes this to `tls.connect`, which would otherwise open a socket of its own.
      return Object.assign({ socket: this.socket }, found)
    }
  }

  /** The clients that are connected to sentinels. */
  get clients(): Redis[] {
    return this.#clients.filter(({ status }) => status !== 'end')
  }

  /** Ends all connections. Does nothing after `discard`. */
  override disconnect(): void {
    if (!this.#discarded) super.disconnect()
  }

  discard(): void {
    this.#discarded = true
    this.connecting = false
    this.socket?.destroy()
    for (const client of this.clients) discard(client)
  }
}
