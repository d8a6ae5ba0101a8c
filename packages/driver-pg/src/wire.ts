import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Client, ClientBase, Connection } from 'pg'

/** pg's own side of the protocol, of which its types tell little; `sslNegotiation` since pg 8.22. */
export interface Wire extends Connection {
  readonly ssl: boolean | ConnectionOptions
  readonly sslNegotiation?: string
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processID: number, secretKey: number): void
}

/** pg before 8.23.1 holds a server that is reached by an address to the name `localhost`. */
export function checkByAddress(client: ClientBase): void {
  // pg-native has neither.
  const { connection, host = '' } = client as Partial<Client>
  const { ssl = false } = (connection ?? {}) as Partial<Wire>
  if (ssl === false || isIP(host) === 0) return
  // As they are: pg has hidden the key among them.
  const given = Object.getOwnPropertyDescriptors(ssl === true ? {} : ssl)
  Object.assign(connection as Wire, { ssl: Object.defineProperties({ host }, given) })
}
