import type { Connection as CoreConnection, ConnectionOptions } from 'mysql2'
import type { Connection } from 'mysql2/promise'

/** What `connection` may be: a connection URI, as a string or a `URL`, or mysql2's own connection options. */
export type MysqlConnection = string | URL | ConnectionOptions

/** What the pool lends: mysql2's connection with promises. */
export interface MysqlClient extends Connection {
  /** The same connection with callbacks, for `client.connection.query(…).stream()`. */
  readonly connection: CoreConnection
}
