import type { Client, ClientBase, DatabaseError } from 'pg'
import { runningOn } from './running.ts'

const SPOILING = new Set([
  '25006', // read_only_sql_transaction: the server is the primary no longer
  '26000', // invalid_sql_statement_name: pg takes it to be prepared, and the server does not know it
  '42P05', // duplicate_prepared_statement: the other way round
])
/** Where the server says "cached plan must not change result type", in whatever language. */
const STALE_PLAN = 'RevalidateCachedQuery'

/** Why sessions are not lent again. */
const spoiled = new WeakMap<ClientBase, string>()
/** Why nothing more is sent on sessions, which may not answer it. */
const unsure = new WeakMap<ClientBase, string>()

/** Has a client remember what spoils its session. Before it connects: then nobody hears of such an error earlier. */
export function noticeSpoiling(client: ClientBase): void {
  // pg-native has no connection.
  const { connection } = client as Partial<Pick<Client, 'connection'>>
  connection?.on('errorMessage', (error: DatabaseError) => {
    if (spoilsSession(error)) spoil(client, error.message)
    const running = runningOn(client)
    // pg sends no Sync after an error here, so the server ignores whatever follows.
    if (running?.rows) leaveUnsure(client, 'a query with `rows` failed')
    // A Cursor never stops its timer, which would send a Sync amid the queries of another holder.
    if (running?.state !== undefined && timesOut(client, running)) spoil(client, 'a cursor failed')
  })
  connection?.on('copyInResponse', () => {
    // The server has ignored the Sync that pg sent behind the statement, and pg sends no other.
    if (runningOn(client)?.requiresPreparation?.() === true) {
      leaveUnsure(client, 'a COPY FROM STDIN ran as a prepared statement')
    }
  })
}

/** From now on, the session is not lent again. */
export function spoil(client: ClientBase, why: string): void {
  spoiled.set(client, why)
}

/** From now on, the session is not lent again, and the pool sends nothing more on it. */
export function leaveUnsure(client: ClientBase, why: string): void {
  spoil(client, why)
  unsure.set(client, why)
}

/** Returns why the pool sends nothing more on the session, if that is so. */
export function whyUnsure(client: ClientBase): string | undefined {
  return unsure.get(client)
}

export function isSpoiled(client: ClientBase): boolean {
  return spoiled.has(client)
}

/** @throws where the session would fail its next holder, too. */
export function refuseSpoiled(client: ClientBase): void {
  const why = spoiled.get(client)
  if (why !== undefined) throw new Error(`The session can no longer be used: ${why}.`)
}

/** Whether what the server refused, it will refuse for as long as the session lasts. */
export function spoilsSession(error: unknown): boolean {
  const { code, routine } = error as Partial<DatabaseError>
  if (code === '0A000') return routine === STALE_PLAN
  return code !== undefined && SPOILING.has(code)
}

interface TimesOut {
  readonly query_timeout?: unknown
}

/** Whether pg limits how long the answer to a query may take. */
export function timesOut(client: ClientBase, query: unknown): boolean {
  const { connectionParameters } = client as { readonly connectionParameters?: TimesOut }
  return Boolean((query as TimesOut).query_timeout || connectionParameters?.query_timeout)
}
