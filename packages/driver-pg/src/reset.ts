import type { ResetContext } from '@forksafe/core'
import type { Client, ClientBase } from 'pg'
import { hasListeners, removeHolderListeners } from './listeners.ts'
import { connectionOf, isQueryable, isReady } from './internals.ts'
import { leftOpen, openStreamOf } from './open-streams.ts'
import { refuseUnusable } from './unusable-session.ts'

/** After these, the server has none of the statements that pg has listed as prepared. */
const FORGETS_STATEMENTS = /\b(?:discard\s+all|deallocate\s+(?:prepare\s+)?all)\b/i

/**
 * Rolls back what was left open. A session that is ready and outside a transaction costs no round trip.
 * @throws if the client has ended, if listeners of pg or the pool were removed, if a stream was left open, behind which queries are
 * never answered, and if the session is unusable.
 */
export function rollBack(client: Client): Promise<void> | undefined {
  refuseEnded(client)
  refuseUnusable(client)
  if (isReady(client) && client.getTransactionStatus() === 'I') return undefined
  if (openStreamOf(client) !== undefined) throw new Error(`After a lease: ${leftOpen}.`)
  return client.query('ROLLBACK').then(() => undefined)
}

/** @throws if the client has ended or is ending, or if its listeners were removed. */
export function refuseEnded(client: ClientBase): void {
  if (!isQueryable(client)) throw new Error('After a lease: the client can send no query.')
  if (!hasListeners(client))
    throw new Error('After a lease: listeners of pg or the pool were removed.')
}

/** Removes the holder's listeners, and rolls back. */
export function reset(client: Client): Promise<void> | undefined {
  removeHolderListeners(client)
  return rollBack(client)
}

/** Does the same, and then runs a statement of the user's choice. */
export function resetBy(query: string): (client: Client, context?: ResetContext) => Promise<void> {
  const forgets = FORGETS_STATEMENTS.test(query)
  return async (client, context) => {
    await reset(client)
    context?.checkProcess()
    await client.query(query)
    if (!forgets) return
    const connection = connectionOf(client)
    if (connection === undefined) return
    connection.parsedStatements = {}
    connection.submittedNamedStatements = {}
  }
}
