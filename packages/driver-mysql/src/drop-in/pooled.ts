import { type Lease, StaleResourceError } from '@forksafe/core'
import type { MysqlClient } from '../client.ts'
import { type Command, type InnerConnection, refuse } from '../internals.ts'
import type { Handle } from './handle.ts'

/** One use of a connection. */
export interface Use {
  readonly pooled: Pooled
  readonly handle: Handle
  /** None before it is lent. */
  lease: Lease<Pooled> | undefined
}

/** One connection of the pool, and what the pool knows of it. */
export class Pooled {
  readonly connection: InnerConnection
  /** The same with promises, as the driver knows it. */
  readonly client: MysqlClient
  /** While it is lent. */
  lease: Lease<Pooled> | undefined = undefined
  /** The present or last use, or the one to come where there was none. */
  use: Use | undefined = undefined
  /** Tells the pool that it is of no use any more. */
  lost: ((error: Error) => void) | undefined = undefined
  readonly #take: (command: Command) => Command

  constructor(connection: InnerConnection) {
    this.connection = connection
    this.client = connection.promise() as unknown as MysqlClient
    const { addCommand, close } = connection
    this.#take = (command) => {
      const stale = this.#stale()
      return stale === undefined ? addCommand.call(connection, command) : refuse(command, stale)
    }
    // A holder that goes on in a forked child, where nothing has noticed yet, must not write to its parent's connection.
    connection.addCommand = this.#take
    connection.close = () => {
      if (this.#stale() === undefined) close.call(connection)
    }
  }

  /** Its holder has said goodbye, which may wait for an answer yet. */
  get takesNoMore(): boolean {
    return this.connection.addCommand !== this.#take
  }

  /** What tells that it is lent to the process that this one was copied from; and then its copy here is closed. */
  #stale(): StaleResourceError | undefined {
    return this.lease && staleErrorOf(this.lease)
  }
}

/** What tells that the lease is the parent's. Looks for a change of process. */
export function staleErrorOf(lease: Lease<Pooled>): StaleResourceError | undefined {
  try {
    return void lease.resource
  } catch (error) {
    return error instanceof StaleResourceError ? error : undefined
  }
}
