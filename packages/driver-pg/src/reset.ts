import type { ResetContext } from '@forksafe/core'
import type { Client } from 'pg'
import { removeHolders } from './listeners.ts'
import { isReady } from './pending.ts'
import { refuseSpoiled } from './spoiled.ts'
import { leftOpen, openStream } from './streams.ts'

/** What pg knows of a session and does not type. */
interface Session {
  /** The named statements that it takes to be prepared on the server. */
  readonly connection: { parsedStatements: object; submittedNamedStatements?: object }
}

/** After these the server has none of the prepared statements that pg believes in. */
const FORGETS_STATEMENTS = /\b(?:discard\s+all|deallocate\s+(?:prepare\s+)?all)\b/i

/**
 * Rolls back what was left open. A session that is ready and outside a transaction costs no round trip.
 * @throws where a stream was left open, behind which nothing is answered, and where the session is spoiled.
 */
export function rollBack(client: Client): Promise<void> | undefined {
  refuseSpoiled(client)
  if (isReady(client) && client.getTransactionStatus() === 'I') return undefined
  if (openStream(client) !== undefined) throw new Error(`After a lease: ${leftOpen}.`)
  return client.query('ROLLBACK').then(() => undefined)
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
    const { connection } = client as Client & Session
    connection.parsedStatements = {}
    connection.submittedNamedStatements = {}
  }
}
