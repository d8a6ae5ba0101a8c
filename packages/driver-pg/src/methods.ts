import type { ForkSafePool } from '@forksafe/core'
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
      pool.use(async (client) => {
        await client.query('BEGIN')
        const result = await rollingBack(client, work)
        const { command } = await client.query('COMMIT')
        if (command === 'COMMIT') return result
        throw new Error(
          'The transaction was rolled back: one of its statements had failed before COMMIT.',
        )
      }),
  }
}

async function rollingBack<T>(
  client: Client,
  work: (client: Client) => T | Promise<T>,
): Promise<T> {
  try {
    return await work(client)
  } catch (error) {
    // Where it fails the connection is gone, and the transaction with it.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}
