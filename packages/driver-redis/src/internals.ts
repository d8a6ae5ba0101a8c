import type {
  AbstractConnector,
  Cluster,
  Command,
  Redis,
  RedisOptions,
  SentinelAddress,
  SentinelConnector,
} from 'ioredis'
import type { Socket } from 'node:net'

// Everything that the driver knows about ioredis beyond its public API and types.

/** Returns the connector that ioredis made for a client, from the class in its `Connector` option. */
export function ioredisConnector(client: Redis): AbstractConnector {
  return (client as unknown as { readonly connector: AbstractConnector }).connector
}

/** Returns the socket on which a cluster subscribes: the only one that ioredis opens without the `Connector` option. */
export function subscriberSocket(cluster: Cluster): Socket | undefined {
  const { subscriber } = cluster as unknown as {
    readonly subscriber: { getInstance(): Redis | null }
  }
  return subscriber.getInstance()?.stream
}

/** Returns the commands that were sent and have no reply yet, oldest first. */
export function unansweredCommands({ commandQueue }: Redis): Command[] {
  return commandQueue.toArray().map(({ command }) => command as Command)
}

/**
 * Returns whether ioredis has converted the arguments of a command. If an argument transformer or the `toString` of a value
 * throws, the command is passed on with neither arguments nor `resolve`.
 */
export function isBuilt({ resolve }: Command): boolean {
  return (resolve as unknown) !== undefined
}

/** Returns whether an error is a reply of the server. */
export function isReply(error: Error): boolean {
  return error.name === 'ReplyError'
}

/** Returns whether an error of a client reports a reply that belongs to no command. */
export function isUnexpectedReply(error: Error): boolean {
  return error.message.startsWith('Command queue state error')
}

/** Removes the words with which ioredis introduces the error of the last sentinel that it tried. */
export function withoutSentinelPrefix(message: string): string {
  return message.replace(/^All sentinels are unreachable and retry is disabled\. Last error: /, '')
}

/** The private methods of ioredis's `SentinelConnector` that the driver wraps. */
interface SentinelMethods {
  /** Opens a connection to a sentinel. */
  connectToSentinel(address: Partial<SentinelAddress>, options?: RedisOptions): Redis
  /** Asks a sentinel for the address of the server. */
  resolve(address: Partial<SentinelAddress>): Promise<SentinelAddress | null>
}

/** Returns the connector with its private methods, which may be replaced. */
export function sentinelMethods(connector: SentinelConnector): SentinelMethods {
  return connector as unknown as SentinelMethods
}
