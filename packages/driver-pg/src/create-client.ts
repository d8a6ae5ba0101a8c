import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { Client, type ClientBase, type ClientConfig } from 'pg'
import { connectionOf } from './internals.ts'

interface Created {
  /** The bare socket, below TLS. */
  readonly socket: Duplex
  /** The option `stream` of its configuration. */
  readonly stream: unknown
}

const created = new WeakMap<Client, Created>()

/** Creates a client that has not connected yet. Returns it with its socket. */
export function createClient(config: ClientConfig): { client: Client; socket: Duplex } {
  const client = new Client(config)
  verifyAddress(client)
  // TLS wraps it later, in `connect`.
  const { stream: socket } = client.connection
  created.set(client, { socket, stream: config.stream })
  return { client, socket }
}

/** Returns the bare socket of a client, which `discard` destroys. */
export function socketOf(client: Client): Duplex | undefined {
  return created.get(client)?.socket
}

/** Returns the configuration's own `stream`, if it is a function that creates another socket. */
export function streamFactoryOf(client: Client): (() => Duplex) | undefined {
  const stream = created.get(client)?.stream
  return typeof stream === 'function' ? (stream as () => Duplex) : undefined
}

/**
 * Makes TLS verify the certificate of a server that is reached by an IP address against that address. pg before 8.23.1 verifies it
 * against the name `localhost`.
 */
export function verifyAddress(client: ClientBase): void {
  const { host = '' } = client as Partial<Client>
  const connection = connectionOf(client)
  const ssl = connection?.ssl ?? false
  if (connection === undefined || ssl === false || isIP(host) === 0) return
  // Descriptors, because pg has made the key non-enumerable.
  const given = Object.getOwnPropertyDescriptors(ssl === true ? {} : ssl)
  Object.assign(connection, { ssl: Object.defineProperties({ host }, given) })
}
