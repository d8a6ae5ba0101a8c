import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Client, type ClientConfig } from 'pg'

/** As pg calls it: with what it would make the socket of. */
type StreamFactory = (config: unknown) => Duplex

interface Way {
  /** The bare socket, under TLS and protocol. */
  readonly socket: Duplex
  /** Opens another one to the same place. */
  readonly another: () => Duplex
}

const ways = new WeakMap<Client, Way>()

/** A client whose socket is known: that of the configuration's own `stream`, if there is one. */
export function clientOn(config: ClientConfig): { client: Client; socket: Duplex } {
  const factory = config.stream as StreamFactory | undefined
  let way: Way | undefined
  const stream: StreamFactory = (given) => {
    const another = (): Duplex => factory?.(given) ?? new Socket()
    way = { socket: another(), another }
    return way.socket
  }
  const client = new Client({ ...config, stream: stream as ClientConfig['stream'] & object })
  const { socket } = way as unknown as Way
  ways.set(client, way as unknown as Way)
  return { client, socket }
}

/** What a process lets go of. */
export function socketOf(client: Client): Duplex | undefined {
  return ways.get(client)?.socket
}

/** A socket that is being connected to where the client's is. */
export function connectedLike(client: Client): Duplex {
  const { host, port } = client
  const socket = (ways.get(client)?.another() ?? new Socket()) as Socket
  return host.startsWith('/')
    ? socket.connect(`${host}/.s.PGSQL.${port}`)
    : socket.connect(port, host)
}
