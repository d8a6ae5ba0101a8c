import { type Lease, StaleResourceError } from '@forksafe/core'
import type { Duplex } from 'node:stream'
import type { PoolClient } from 'pg'
import type { PendingRelease } from './release-when-answered.ts'

/** One connection of the pool: the client that its users see, and what the pool knows of it. */
export class Session {
  readonly client: PoolClient
  /** The bare socket, under TLS and protocol; pg-native keeps its own to itself. */
  readonly socket: Duplex | undefined
  /** The pool's generation that opened it: in another process the pool has another. */
  readonly generation: number
  readonly openedAt = performance.now()
  /** While it is lent. */
  lease: Lease<Session> | undefined = undefined
  /** The shared statements that are not answered yet. */
  inFlight = 0
  /** It has been lent before. */
  used = false
  /** Its goodbye has begun. */
  ending = false
  /** Its holder has released it while queries were unanswered. */
  pendingRelease: PendingRelease | undefined = undefined

  constructor(client: PoolClient, socket: Duplex | undefined, generation: number) {
    this.client = client
    this.socket = socket
    this.generation = generation
  }

  /** Whether its holder holds it in the process that this one was copied from. Closes this one's copy where it does. */
  get isInherited(): boolean {
    return this.lease !== undefined && isInherited(this.lease)
  }
}

/** Whether the lease belongs to the process that this one was copied from; looks for a change of process. */
export function isInherited(lease: Lease<Session>): boolean {
  try {
    return lease.resource === undefined
  } catch (error) {
    return error instanceof StaleResourceError
  }
}

/**
 * A holder that goes on in a forked child, where nothing has noticed yet, must not write to its parent's connection.
 * Asked then, the client answers by itself that its connection is gone.
 */
export function checkProcessBeforeQueries(session: Session): void {
  const { client } = session
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its client
  const query = client.query as (config: unknown, values?: unknown, callback?: unknown) => unknown
  const looking: typeof query = (config, values, callback) => {
    void session.isInherited
    return query.call(client, config, values, callback)
  }
  Object.assign(client, { query: looking })
}
