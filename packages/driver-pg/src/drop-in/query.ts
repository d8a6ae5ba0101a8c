import type { PoolClient, QueryResult } from 'pg'
import { isStatementError } from '../server-errors.ts'
import { makesUnusable } from '../unusable-session.ts'
import { releaseHealthy } from './lend.ts'
import { type Callback, callWhenDone, isSubmittable } from './submittable.ts'

/** Runs a query by callback, which costs pg one promise less. */
export function ask(client: PoolClient, query: unknown, values: unknown): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const answered: Callback = (error, result) =>
      error ? reject(error) : resolve(result as QueryResult)
    if (isSubmittable(query)) {
      callWhenDone(query, answered)
      client.query(query)
    } else client.query(query as string, values as unknown[], answered)
  })
}

/** Gives a client back whose query has failed. pg-pool closes its connection, whatever the server says. */
export function releaseFailed(client: PoolClient, error: unknown): void {
  if (isStatementError(error) && !makesUnusable(error)) releaseHealthy(client, error)
  else client.release(error as Error)
}
