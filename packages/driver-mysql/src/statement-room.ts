import type { ForkSafePool, Lease } from '@forksafe/core'
import { setTimeout } from 'node:timers/promises'
import type { MysqlClient } from './client.ts'
import { TOO_MANY_STATEMENTS } from './prepared.ts'
import { sessionOf } from './session.ts'

/** The pauses before further attempts, in milliseconds. */
const PAUSES = [0, 10, 20, 40, 80, 160, 320]
/** The longest wait for an idle connection. Nobody else should take it meanwhile. */
const BORROW_MILLIS = 1_000

/**
 * Makes room when the server has too many prepared statements (1461), and the connection in use has none to close: closes those of the
 * pool's other connections. Idle ones at once, others at the end of their `pool.execute`.
 */
export class StatementRoom {
  readonly #pool: ForkSafePool<MysqlClient>
  /** How many callers have no room. */
  #lacking = 0

  constructor(pool: ForkSafePool<MysqlClient>) {
    this.#pool = pool
  }

  /** Runs `execute`, again after such an error: the server has not executed anything then. Its statements stay prepared. */
  async run<T>(
    lease: Lease<MysqlClient>,
    execute: (client: MysqlClient) => Promise<T>,
  ): Promise<T> {
    const client = lease.resource
    try {
      return await execute(client)
    } catch (error) {
      if (!isTooMany(error)) throw error
      return await this.#runAgain(lease, execute, error)
    } finally {
      const { prepared } = sessionOf(client)
      prepared.keep()
      if (this.#lacking > 0 && lease.active) prepared.closeAll()
    }
  }

  async #runAgain<T>(
    lease: Lease<MysqlClient>,
    execute: (client: MysqlClient) => Promise<T>,
    error: unknown,
  ): Promise<T> {
    let last = error
    this.#lacking++
    try {
      for (const pause of PAUSES) {
        await setTimeout(pause)
        await this.#closeIdle()
        try {
          return await execute(lease.resource)
        } catch (error) {
          if (!isTooMany(error)) throw error
          last = error
        }
      }
    } finally {
      this.#lacking--
    }
    throw last
  }

  /** A connection that cannot be borrowed or is lost meanwhile makes no room: the next attempt shows. */
  async #closeIdle(): Promise<void> {
    const { idle } = this.#pool.stats
    await Promise.allSettled(
      Array.from({ length: idle }, async () => {
        await using lease = await this.#pool.acquire({ timeoutMillis: BORROW_MILLIS })
        // Until the answer, the statements may still be open.
        if (sessionOf(lease.resource).prepared.closeAll()) await lease.resource.ping()
      }),
    )
  }
}

function isTooMany(error: unknown): boolean {
  return (error as { readonly errno?: unknown } | null)?.errno === TOO_MANY_STATEMENTS
}
