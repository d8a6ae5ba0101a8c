import type { Duplex } from 'node:stream'
import { Client, type ClientConfig } from 'pg'
import { checkByAddress } from './wire.ts'

interface Way {
  /** The bare socket, under TLS and protocol. */
  readonly socket: Duplex
  /** What the configuration says of it. */
  readonly stream: unknown
}

const ways = new WeakMap<Client, Way>()

/** A client that has yet to connect, and its socket. */
export function clientOn(config: ClientConfig): { client: Client; socket: Duplex } {
  const client = new Client(config)
  checkByAddress(client)
  // TLS comes on top of it when it connects.
  const { stream: socket } = client.connection
  ways.set(client, { socket, stream: config.stream })
  return { client, socket }
}

/** What a process lets go of. */
export function socketOf(client: Client): Duplex | undefined {
  return ways.get(client)?.socket
}

/** The configuration's own `stream`, if it has one that can be asked for another. */
export function streamsOf(client: Client): (() => Duplex) | undefined {
  const stream = ways.get(client)?.stream
  return typeof stream === 'function' ? (stream as () => Duplex) : undefined
}
