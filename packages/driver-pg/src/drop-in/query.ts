import type { PoolClient, QueryResult } from 'pg'
import { isStatementError } from '../server-errors.ts'
import type { ShareableStatement } from '../share/request.ts'
import { send } from '../share/sharing.ts'
import { makesUnusable } from '../unusable-session.ts'
import { releaseHealthy, type Tell } from './lend.ts'
import type { Session } from './session.ts'
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

/** Sends a statement that shares its client, with the events of a client that is lent for it. */
export function sendShared(
  session: Session,
  statement: ShareableStatement,
  tell: Tell,
): Promise<QueryResult> {
  const { client } = session
  const release = (error?: unknown): void => {
    session.inFlight--
    tell('release', error, client)
  }
  session.inFlight++
  session.used = true
  tell('acquire', client)
  try {
    return send(client, statement).then(
      (result) => {
        release()
        return result
      },
      (error: unknown) => {
        release(error)
        throw error
      },
    )
  } catch (error) {
    // A value cannot be converted.
    release(error)
    throw error
  }
}
