import type { Client, ClientBase } from 'pg'

/** Parts of a client that pg does not type. */
interface Inner {
  readonly _queryable?: boolean
  readonly _connectionError?: boolean
  readonly _ending?: boolean
  readonly _ended?: boolean
  readonly connection?: Client['connection']
}

/** Whether the client would send a query and could be answered, as far as is known without asking the server. */
export function isQueryable(client: ClientBase): boolean {
  const { _queryable, _connectionError, _ending, _ended, connection } = client as Inner
  if (_queryable === false || _connectionError === true) return false
  if (_ending === true || _ended === true) return false
  // pg-native has no connection.
  if (connection === undefined) return true
  const { stream } = connection
  return stream.readable && stream.writable
}
