import { Query, type QueryResult, type Submittable } from 'pg'

export type Callback = (error: Error | null | undefined, result?: QueryResult) => void

/** A query object: pg's `Query`, a cursor, a stream, a COPY, or one of another make. */
interface QueryObject extends Submittable {
  callback?: Callback | undefined
  handleError?: (error: Error, connection: unknown) => unknown
  handleReadyForQuery?: (connection: unknown) => unknown
  /** Of a stream. */
  readonly destroyed?: boolean
}

export function isSubmittable(query: unknown): query is QueryObject {
  return typeof (query as QueryObject | null | undefined)?.submit === 'function'
}

/** Whether the query reports its own errors, as cursors and streams do. */
export function reportsErrors(query: unknown): boolean {
  return isSubmittable(query) && !(query instanceof Query)
}

/**
 * Calls `done` when the query ends: by its callback, with an error, or when the server is ready for the next query. A cursor calls no
 * callback, and pg ignores ours if the query has its own. `done` may be called more than once.
 */
export function callWhenDone(query: QueryObject, done: Callback): void {
  const { callback, handleError, handleReadyForQuery } = query
  let failure: Error | undefined
  query.callback = (error, result) => {
    // A COPY calls it without its error.
    done(error ?? failure, result)
    callback?.(error, result)
  }
  if (handleError !== undefined) {
    query.handleError = (error, connection) => {
      failure = error
      try {
        return handleError.call(query, error, connection)
      } finally {
        done(error)
      }
    }
  }
  if (handleReadyForQuery !== undefined) {
    query.handleReadyForQuery = (connection) => {
      try {
        return handleReadyForQuery.call(query, connection)
      } finally {
        done(undefined)
      }
    }
  }
}

/** Whether the query is a stream that was destroyed. If it were submitted, nobody would read it. */
export function isDestroyed(query: unknown): boolean {
  return isSubmittable(query) && query.destroyed === true
}
