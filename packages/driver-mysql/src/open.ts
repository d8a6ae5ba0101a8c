import { hideSecrets, isUrl, kindOf, openUntilAborted } from '@forksafe/core/methods'
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { MysqlConnection } from './client.ts'

/** What mysql2 hands to a stream factory: its options, parsed. */
interface StreamContext {
  readonly config: ConnectionOptions
}

/** A connection, and the bare socket under its TLS and its protocol: what a process lets go of. */
export interface Opened<C extends Connection = Connection> {
  readonly core: C
  readonly socket: Duplex
}

/** Where to connect to in place of the host and port of the options. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Opens a connection. When `signal` aborts it is let go of, silently.
 * @throws {TypeError} for what is no connection URI and no options.
 */
export async function open(
  connection: MysqlConnection,
  signal: AbortSignal,
  address?: Address,
): Promise<Opened> {
  const options = optionsOf(connection)
  const make = (stream: unknown): Connection => createConnection({ ...options, stream })
  return openWith(make, options.stream, signal, address)
}

function optionsOf(connection: unknown): ConnectionOptions {
  if (typeof connection === 'string') return { uri: connection }
  if (isUrl(connection)) return { uri: connection.href }
  const isObject = typeof connection === 'object' && connection !== null
  if (isObject && !Array.isArray(connection)) return connection
  throw new TypeError(
    `Expected \`connection\` to be a connection URI or mysql2's connection options, got ${kindOf(connection)}.`,
  )
}

/** The same, of a connection that `make` makes over the given stream factory; `own` is the user's stream or factory. */
export async function openWith<C extends Connection>(
  make: (stream: (context: StreamContext) => Duplex) => C,
  own: unknown,
  signal: AbortSignal,
  address?: Address,
): Promise<Opened<C>> {
  signal.throwIfAborted()
  let socket: Duplex | undefined
  const core = construct(() => make((context) => (socket = openSocket(own, context, address))))
  // Without a listener the end of an idle connection would end the process; `watch` tells the pool of it.
  core.on('error', () => undefined)
  const connect = (): Promise<void> =>
    new Promise((resolve, reject) => {
      core.connect((error) => (error ? reject(hideSecrets(error)) : resolve()))
    })
  await openUntilAborted(signal, () => socket?.destroy(), connect)
  return { core, socket: socket as unknown as Duplex }
}

/** Calls mysql2 with options, whose errors may show them. */
export function construct<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw hideSecrets(error)
  }
}

/** As mysql2 opens one by itself, unless the options bring one. */
function openSocket(own: unknown, context: StreamContext, address?: Address): Duplex {
  if (own !== undefined)
    return typeof own === 'function' ? (own(context) as Duplex) : (own as Duplex)
  const { socketPath, host, port, enableKeepAlive, keepAliveInitialDelay } = context.config
  if (socketPath !== undefined) return connect(socketPath)
  return connect({
    host: address?.host ?? host,
    port: address?.port ?? (port as number),
    noDelay: true,
    keepAlive: enableKeepAlive,
    keepAliveInitialDelay,
  })
}
