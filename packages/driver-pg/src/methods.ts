import type { ForkSafePool, Lease } from '@forksafe/core'
import type {
  Client,
  QueryArrayConfig,
  QueryArrayResult,
  QueryConfig,
  QueryResult,
  QueryResultRow,
} from 'pg'

/** What the driver adds to the pool. */
export interface PgMethods {
  /** Runs one statement on whichever connection is free. Rejects as `acquire` does, or with the server's error. */
  query<R extends unknown[] = unknown[]>(
    config: QueryArrayConfig,
    values?: unknown[],
  ): Promise<QueryArrayResult<R>>
  query<R extends QueryResultRow = QueryResultRow>(
    textOrConfig: string | QueryConfig,
    values?: unknown[],
  ): Promise<QueryResult<R>>
  /**
   * Runs `work` on one connection between `BEGIN` and `COMMIT`, and gives its result. What `work` throws rolls back.
   * Rejects too when the server rolled back instead of committing, because `work` went on after a failed statement.
   */
  transaction<T>(work: (client: Client) => T | Promise<T>): Promise<T>
}

export function pgMethods(pool: ForkSafePool<Client>): PgMethods {
  return {
    query: (textOrConfig: string | QueryConfig, values?: unknown[]) =>
      pool.use((client) => client.query(textOrConfig, values)),

    transaction: (work) =>
      pool.use(async (client, lease) => {
        await client.query('BEGIN')
        const result = await rollingBack(lease, work)
        // Through the lease: a fork may have come in between, and the transaction is the parent's to end.
        const { command } = await lease.resource.query('COMMIT')
        if (command === 'COMMIT') return result
        throw new Error(
          'The transaction was rolled back: one of its statements had failed before COMMIT.',
        )
      }),
  }
}

async function rollingBack<T>(
  lease: Lease<Client>,
  work: (client: Client) => T | Promise<T>,
): Promise<T> {
  try {
    return await work(lease.resource)
  } catch (error) {
    try {
      await lease.resource.query('ROLLBACK')
    } catch {
      // The connection is gone, and the transaction with it, or it is the parent's: `work`'s error tells more.
    }
    throw error
  }
}
