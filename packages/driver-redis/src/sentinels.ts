import {
  type Redis,
  type RedisOptions,
  type SentinelAddress,
  SentinelConnector,
  type SentinelConnectionOptions,
} from 'ioredis'
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { BareConnector, connectorOf, type Tell } from './connector.ts'

/** Connects to the server that the sentinels name. They are asked each time: by then it may be another. */
export class SentinelledConnector extends BareConnector {
  readonly #finder: Finder

  constructor(options: unknown) {
    super(options)
    this.#finder = new Finder(options as SentinelConnectionOptions)
  }

  protected override async open(tell: Tell): Promise<Socket | TLSSocket> {
    const stream = await this.#finder.connect(tell)
    this.socket = this.#finder.socket ?? stream
    return stream
  }

  /** The finder ends what it has opened, and hears of no failover any more. */
  override disconnect(): void {
    this.#finder.disconnect()
  }

  override letGo(): void {
    super.letGo()
    this.#finder.letGo()
  }

  override async closed(): Promise<void> {
    await Promise.all([
      super.closed(),
      ...this.#finder.clients.map((client) => connectorOf(client).closed()),
    ])
  }

  override hold(held: boolean): void {
    super.hold(held)
    for (const client of this.#finder.clients) connectorOf(client).hold(held)
  }
}

/** What ioredis keeps to itself. */
interface Hidden {
  connectToSentinel(address: Partial<SentinelAddress>, options?: RedisOptions): Redis
  resolve(address: Partial<SentinelAddress>): Promise<SentinelAddress | null>
}

/** ioredis's own way to find the server and to hear of a failover, with connections that can be let go of. */
class Finder extends SentinelConnector {
  /** Under TLS. */
  socket: Socket | undefined
  #clients: Redis[] = []
  #letGo = false

  constructor(options: SentinelConnectionOptions) {
    super(options)
    const hidden = this as unknown as Hidden
    const connectTo = hidden.connectToSentinel.bind(this)
    const resolve = hidden.resolve.bind(this)
    const secure = options.enableTLSForSentinelMode === true && options.tls !== undefined
    hidden.connectToSentinel = (address, options) => {
      if (this.#letGo) throw new Error('Connection is closed.')
      const client = connectTo(address, { ...options, Connector: BareConnector })
      this.#clients = [...this.clients, client]
      return client
    }
    hidden.resolve = async (address) => {
      const found = await resolve(address)
      if (!secure || found === null) return found
      this.socket = new Socket().connect(found)
      // For `tls.connect`, which would make one of its own.
      return Object.assign({ socket: this.socket }, found)
    }
  }

  /** Those that are connected to sentinels. */
  get clients(): Redis[] {
    return this.#clients.filter(({ status }) => status !== 'end')
  }

  /** Ends what it has opened; nothing of what it has let go of. */
  override disconnect(): void {
    if (!this.#letGo) super.disconnect()
  }

  letGo(): void {
    this.#letGo = true
    this.connecting = false
    this.socket?.destroy()
    for (const client of this.clients) {
      connectorOf(client).letGo()
      client.disconnect()
    }
  }
}
