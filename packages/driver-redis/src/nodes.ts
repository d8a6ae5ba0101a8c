import type { Cluster, Redis } from 'ioredis'
import type { Socket } from 'node:net'
import { BareConnector, type Tell } from './connector.ts'
import { Session } from './session.ts'

/** ioredis itself sends these where a slot moves, or a node changes its role. */
const ROUTING = new Set(['asking', 'readonly', 'readwrite'])

/** Everything that ioredis opens for one cluster: to its nodes, and beside them to ask for the slots. */
export class Nodes {
  /** For `redisOptions`. */
  readonly Connector: typeof BareConnector
  readonly sessions = new Map<Redis, Session>()
  /** What a server said first that would not have us. */
  refusal: Error | undefined
  /** The holder has subscribed. */
  subscribed = false
  refreshing: NodeJS.Timeout | undefined
  readonly #connectors = new Set<BareConnector>()
  #held = true
  #letGo = false

  constructor() {
    const opened = (connector: BareConnector): void => this.#opened(connector)
    const closed = (connector: BareConnector): void => this.#closed(connector)
    this.Connector = class extends BareConnector {
      override async connect(tell: Tell) {
        opened(this)
        const stream = await super.connect(tell)
        stream.once('close', () => closed(this))
        return stream
      }
    }
  }

  /** Keeps account of what is sent to this node, for as long as it is one. */
  observe(node: Redis): void {
    this.sessions.set(node, new Session(node, ROUTING))
    node.once('end', () => this.sessions.delete(node))
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

/** The one connection of a cluster that ioredis makes without asking for a connector: what SUBSCRIBE is sent on. */
export function subscriberOf(cluster: Cluster): Socket | undefined {
  const { subscriber } = cluster as unknown as {
    readonly subscriber: { getInstance(): Redis | null }
  }
  return subscriber.getInstance()?.stream
}
