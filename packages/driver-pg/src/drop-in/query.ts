import type { PoolClient, QueryResult, Submittable } from 'pg'
import { releaseHealthy } from './lend.ts'

type Callback = (error: Error | null | undefined, result: QueryResult) => void

/** What pg takes for a query that somebody else has made. */
interface Submitted extends Submittable {
  callback?: Callback | undefined
}

/** Runs one query on a client that has been lent for it, and gives the client back. */
export async function queryAndRelease(
  client: PoolClient,
  query: unknown,
  values: unknown,
  log: (...messages: unknown[]) => void,
): Promise<QueryResult> {
  let result: QueryResult
  try {
    log('dispatching query')
    result = await new Promise((resolve, reject) => {
      const answered: Callback = (error, result) => (error ? reject(error) : resolve(result))
      const callback = isSubmittable(query) ? telling(query, answered) : answered
      client.query(query as string, values as unknown[], callback)
    })
    log('query dispatched')
  } catch (error) {
    // Leads back to whoever asked, and not to the socket that the answer came from.
    if (error instanceof Error) Error.captureStackTrace(error)
    if (isOfStatement(error)) releaseHealthy(client, error)
    else client.release(error as Error)
    throw error
  }
  client.release()
  return result
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

/** The server refused a statement, and waits for the next one. pg-pool closes the connection all the same. */
function isOfStatement(error: unknown): error is Error {
  return error instanceof Error && (error as { readonly severity?: unknown }).severity === 'ERROR'
}
