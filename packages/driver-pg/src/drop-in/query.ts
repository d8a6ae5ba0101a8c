import type { PoolClient, QueryResult, Submittable } from 'pg'
import { isOfStatement } from '../errors.ts'
import { spoilsSession } from '../spoiled.ts'
import { releaseHealthy } from './lend.ts'

type Callback = (error: Error | null | undefined, result: QueryResult) => void

/** What pg takes for a query that somebody else has made. */
interface Submitted extends Submittable {
  callback?: Callback | undefined
}

/** Asks by callback, which costs pg one promise less. */
export function ask(client: PoolClient, query: unknown, values: unknown): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const answered: Callback = (error, result) => (error ? reject(error) : resolve(result))
    const callback = isSubmittable(query) ? telling(query, answered) : answered
    client.query(query as string, values as unknown[], callback)
  })
}

/** Gives a client back whose query has failed. pg-pool closes its connection, whatever the server says. */
export function releaseFailed(client: PoolClient, error: unknown): void {
  if (isOfStatement(error) && !spoilsSession(error)) releaseHealthy(client, error)
  else client.release(error as Error)
}

function isSubmittable(query: unknown): query is Submitted {
  return typeof (query as Submitted | null | undefined)?.submit === 'function'
}

/** pg keeps to the callback that the query brings: then this one is told as well. */
function telling(query: Submitted, answered: Callback): Callback {
  const { callback } = query
  if (callback === undefined) return answered
  query.callback = (error, result) => {
    answered(error, result)
    callback(error, result)
  }
  return query.callback
}
