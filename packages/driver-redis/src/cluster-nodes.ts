import { keepListeners } from '@forksafe/core/methods'
import type { Redis } from 'ioredis'
import { BareConnector, type Emit } from './connector.ts'
import { Session } from './session.ts'

/** Commands that ioredis itself sends to a node: when a slot moves, a node changes its role, or for `himportFieldsets`. */
const SENT_BY_IOREDIS = new Set(['asking', 'himport', 'readonly', 'readwrite'])

/** All connections that ioredis opens for one cluster: to its nodes, and others that ask for the slots. */
export class ClusterNodes {
  /** The class to set as `Connector` in `redisOptions`. */
  readonly Connector: typeof BareConnector
  readonly sessions = new Map<Redis, Session>()
  /** The first reply of a server that refused a connection. */
  refusal: Error | undefined
  /** The first error of a socket. */
  failure: Error | undefined
  /** A command that cannot be reset, which the holder sent to all nodes or on the subscriber's connection, such as `SUBSCRIBE`. */
  unresettable: string | undefined
  /** The error that left the sessions in an unknown state. */
  unknown: Error | undefined
  /** The timer for `slotsRefreshInterval`. */
  refreshing: NodeJS.Timeout | undefined
  readonly #connectors = new Set<BareConnector>()
  #referenced = true
  #discarded = false

  constructor() {
    const opened = (connector: BareConnector): void => this.#opened(connector)
    const failed = (error: Error, node: string): void =>
      void (this.failure ??= withNode(error, node))
    const closed = (connector: BareConnector): void => this.#closed(connector)
    this.Connector = class extends BareConnector {
      override async connect(emit: Emit) {
        opened(this)
        const stream = await super.connect(emit)
        stream.once('error', (error) => failed(error, this.peer))
        stream.once('close', () => closed(this))
        return stream
      }
    }
  }

  /** Tracks the session of a node, for as long as it belongs to the cluster. */
  observe(node: Redis): void {
    this.sessions.set(node, new Session(node, SENT_BY_IOREDIS))
    node.once('end', () => this.sessions.delete(node))
    node.on('ready', () => keepListeners(node.stream))
  }

  /** Sets whether present and future connections keep the process alive. */
  setReferenced(referenced: boolean): void {
    this.#referenced = referenced
    for (const connector of this.#connectors) connector.setReferenced(referenced)
  }

  /** Closes this process's copies of the sockets silently, and prevents further connects. */
  discard(): void {
    this.#discarded = true
    for (const connector of this.#connectors) connector.discard()
  }

  /** Ends all open connections. Resolves once they are closed. */
  async end(): Promise<void> {
    const connectors = [...this.#connectors]
    for (const connector of connectors) connector.disconnect()
    await Promise.all(connectors.map((connector) => connector.closed()))
  }

  #opened(connector: BareConnector): void {
    this.#connectors.add(connector)
    connector.setReferenced(this.#referenced)
    if (this.#discarded) connector.discard()
  }

  #closed(connector: BareConnector): void {
    this.#connectors.delete(connector)
    this.refusal ??= connector.refusal
  }
}

/** Adds the address of the node to an error that says only that a connection has ended. */
export function withNode(error: Error, node: string): Error {
  if (!/^(Connection is closed|read|write)\b/.test(error.message)) return error
  const { code } = error as NodeJS.ErrnoException
  const named = new Error(`${node}: ${error.message}`, { cause: error })
  return code === undefined ? named : Object.assign(named, { code })
}
