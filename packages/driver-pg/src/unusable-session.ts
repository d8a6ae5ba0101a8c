import type { ClientBase, DatabaseError } from 'pg'
import { activeQueryOf, connectionOf, hasTimeout } from './internals.ts'

/** After these, the session fails its next holder too. */
const UNUSABLE_CODES = new Set([
  '25006', // read_only_sql_transaction: the server is the primary no longer
  '26000', // invalid_sql_statement_name: pg takes it to be prepared, and the server does not know it
  '42P05', // duplicate_prepared_statement: the other way round
])
/** Where the server says "cached plan must not change result type", in whatever language. */
const STALE_PLAN = 'RevalidateCachedQuery'

/** Why sessions are not lent again. */
const unusable = new WeakMap<ClientBase, string>()
/** Why the pool sends nothing more on sessions: they may not answer. */
const unresponsive = new WeakMap<ClientBase, string>()

/**
 * Marks the session as unusable after certain errors. Call before the client connects, so that the session is marked before any other
 * listener gets the error.
 */
export function detectUnusableSession(client: ClientBase): void {
  const connection = connectionOf(client)
  connection?.on('errorMessage', (error: DatabaseError) => {
    if (makesUnusable(error)) markUnusable(client, error.message)
    const active = activeQueryOf(client)
    // pg sends no Sync after an error here, so the server ignores whatever follows.
    if (active?.rows) markUnresponsive(client, 'a query with `rows` failed')
    // A Cursor never stops its timer, which would send a Sync amid the queries of another holder.
    if (active?.state !== undefined && hasTimeout(client, active)) {
      markUnusable(client, 'a cursor failed')
    }
  })
  connection?.on('copyInResponse', () => {
    // The server has ignored the Sync that pg sent behind the statement, and pg sends no other.
    if (activeQueryOf(client)?.requiresPreparation?.() === true) {
      markUnresponsive(client, 'a COPY FROM STDIN ran as a prepared statement')
    }
  })
}

/** Marks a session that must not be lent again. */
export function markUnusable(client: ClientBase, why: string): void {
  unusable.set(client, why)
}

/** Marks a session that must not be lent again, and on which the pool sends nothing more. */
export function markUnresponsive(client: ClientBase, why: string): void {
  markUnusable(client, why)
  unresponsive.set(client, why)
}

/** Returns why the pool sends nothing more on the session, if that is so. */
export function whyUnresponsive(client: ClientBase): string | undefined {
  return unresponsive.get(client)
}

export function isUnusable(client: ClientBase): boolean {
  return unusable.has(client)
}

/** @throws if the session is unusable. */
export function refuseUnusable(client: ClientBase): void {
  const why = unusable.get(client)
  if (why !== undefined) throw new Error(`The session can no longer be used: ${why}.`)
}

/** Whether the server will refuse the same statement for as long as the session lasts. */
export function makesUnusable(error: unknown): boolean {
  const { code, routine } = error as Partial<DatabaseError>
  if (code === '0A000') return routine === STALE_PLAN
  return code !== undefined && UNUSABLE_CODES.has(code)
}
