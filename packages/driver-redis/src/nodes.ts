import type { Cluster, Redis } from 'ioredis'
import type { Socket } from 'node:net'
import { BareConnector, type Tell } from './connector.ts'
import { keepListeners } from './listeners.ts'
import { Session } from './session.ts'

/** ioredis itself sends these where a slot moves, a node changes its role, or `himportFieldsets` are asked for. */
const IOREDIS_OWN = new Set(['asking', 'himport', 'readonly', 'readwrite'])

/** Everything that ioredis opens for one cluster: to its nodes, and beside them to ask for the slots. */
export class Nodes {
  /** For `redisOptions`. */
  readonly Connector: typeof BareConnector
  readonly sessions = new Map<Redis, Session>()
  /** What a server said first that would not have us. */
  refusal: Error | undefined
  /** The first error of a socket. */
  failure: Error | undefined
  /** What the holder has left on all of them that cannot be taken back, as in `SUBSCRIBE`. */
  beyondReset: string | undefined
  /** Why nobody knows what the session is in the middle of. */
  unknown: Error | undefined
  refreshing: NodeJS.Timeout | undefined
  readonly #connectors = new Set<BareConnector>()
  #held = true
  #letGo = false

  constructor() {
    const opened = (connector: BareConnector): void => this.#opened(connector)
    const failed = (error: Error, node: string): void => void (this.failure ??= named(error, node))
    const closed = (connector: BareConnector): void => this.#closed(connector)
    this.Connector = class extends BareConnector {
      override async connect(tell: Tell) {
        opened(this)
        const stream = await super.connect(tell)
        stream.once('error', (error) => failed(error, this.peer))
        stream.once('close', () => closed(this))
        return stream
      }
    }
  }

  /** Keeps account of what is sent to this node, for as long as it is one. */
  observe(node: Redis): void {
    this.sessions.set(node, new Session(node, IOREDIS_OWN))
    node.once('end', () => this.sessions.delete(node))
    node.on('ready', () => keepListeners(node.stream))
  }

  /** Whether they hold the process open, those to come as well. */
  hold(held: boolean): void {
    this.#held = held
    for (const connector of this.#connectors) connector.hold(held)
  }

  /** Closes this process's copies of the sockets. There will be no others. */
  letGo(): void {
    this.#letGo = true
    for (const connector of this.#connectors) connector.letGo()
  }

  /** Ends what is open, and resolves once all of it is closed. */
  async end(): Promise<void> {
    const connectors = [...this.#connectors]
    for (const connector of connectors) connector.disconnect()
    await Promise.all(connectors.map((connector) => connector.closed()))
  }

  #opened(connector: BareConnector): void {
    this.#connectors.add(connector)
    connector.hold(this.#held)
    if (this.#letGo) connector.letGo()
  }

  #closed(connector: BareConnector): void {
    this.#connectors.delete(connector)
    this.refusal ??= connector.refusal
  }
}

/** Names the node where an error of the system, or ioredis, says no more than that the connection has ended. */
export function named(error: Error, node: string): Error {
  if (!/^(Connection is closed|read|write)\b/.test(error.message)) return error
  const { code } = error as NodeJS.ErrnoException
  const told = new Error(`${node}: ${error.message}`, { cause: error })
  return code === undefined ? told : Object.assign(told, { code })
}

/** The one connection of a cluster that ioredis makes without asking for a connector: what SUBSCRIBE is sent on. */
export function subscriberOf(cluster: Cluster): Socket | undefined {
  const { subscriber } = cluster as unknown as {
    readonly subscriber: { getInstance(): Redis | null }
  }
  return subscriber.getInstance()?.stream
}
