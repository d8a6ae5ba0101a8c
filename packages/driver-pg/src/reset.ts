import type { ResetContext } from '@forksafe/core'
import type { Client, ClientBase } from 'pg'
import { isHeard, removeHolders } from './listeners.ts'
import { isReady } from './pending.ts'
import { isQueryable } from './queryable.ts'
import { refuseSpoiled } from './spoiled.ts'
import type { Named } from './statements.ts'
import { leftOpen, openStream } from './streams.ts'

/** After these the server has none of the prepared statements that pg believes in. */
const FORGETS_STATEMENTS = /\b(?:discard\s+all|deallocate\s+(?:prepare\s+)?all)\b/i

/**
 * Rolls back what was left open. A session that is ready and outside a transaction costs no round trip.
 * @throws if the client would not send a query or pg would not hear the answer, if a stream was left open, behind which nothing is
 * answered, and if the session is spoiled.
 */
export function rollBack(client: Client): Promise<void> | undefined {
  refuseEnded(client)
  refuseSpoiled(client)
  if (isReady(client) && client.getTransactionStatus() === 'I') return undefined
  if (openStream(client) !== undefined) throw new Error(`After a lease: ${leftOpen}.`)
  return client.query('ROLLBACK').then(() => undefined)
}

/** @throws if the client has ended or is ending, or if its listeners were removed. */
export function refuseEnded(client: ClientBase): void {
  if (!isQueryable(client)) throw new Error('After a lease: the client can send no query.')
  if (!isHeard(client)) throw new Error('After a lease: listeners of pg or the pool were removed.')
}

/** Takes away what costs nothing, and rolls back. */
export function reset(client: Client): Promise<void> | undefined {
  removeHolders(client)
  return rollBack(client)
}

/** Does the same, and then takes away what else was left, by a statement of the user's choice. */
export function resetBy(query: string): (client: Client, context?: ResetContext) => Promise<void> {
  const forgets = FORGETS_STATEMENTS.test(query)
  return async (client, context) => {
    await reset(client)
    context?.checkProcess()
    await client.query(query)
    if (!forgets) return
    const connection = client.connection as unknown as Named
    connection.parsedStatements = {}
    connection.submittedNamedStatements = {}
  }
}
