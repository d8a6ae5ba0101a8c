import type { Client, ClientBase, DatabaseError } from 'pg'

const SPOILING = new Set([
  '25006', // read_only_sql_transaction: the server is the primary no longer
  '26000', // invalid_sql_statement_name: pg takes it to be prepared, and the server does not know it
  '42P05', // duplicate_prepared_statement: the other way round
])
/** Where the server says "cached plan must not change result type", in whatever language. */
const STALE_PLAN = 'RevalidateCachedQuery'

const spoiled = new WeakMap<ClientBase, string>()

/** Has a client remember what spoils its session. Before it connects: then nobody hears of such an error earlier. */
export function noticeSpoiling(client: ClientBase): void {
  // pg-native has no connection.
  const { connection } = client as Partial<Pick<Client, 'connection'>>
  connection?.on('errorMessage', (error: DatabaseError) => {
    if (spoilsSession(error)) spoiled.set(client, error.message)
  })
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
