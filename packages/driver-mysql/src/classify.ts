import type { CreateFailure } from '@forksafe/core'

/** By error number. What is not here passes by itself: a server that starts, stops, or is not there. */
const meanings: Readonly<Record<number, CreateFailure>> = {
  1040: 'full', // ER_CON_COUNT_ERROR: max_connections
  1203: 'full', // ER_TOO_MANY_USER_CONNECTIONS: max_user_connections
  1226: 'full', // ER_USER_LIMIT_REACHED: connections in all, or per hour
  1044: 'fatal', // ER_DBACCESS_DENIED_ERROR
  1045: 'fatal', // ER_ACCESS_DENIED_ERROR
  1049: 'fatal', // ER_BAD_DB_ERROR
  1130: 'fatal', // ER_HOST_NOT_PRIVILEGED
  1193: 'fatal', // ER_UNKNOWN_SYSTEM_VARIABLE, in a `setup`
  1251: 'fatal', // ER_NOT_SUPPORTED_AUTH_MODE
  1698: 'fatal', // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
  1820: 'fatal', // ER_MUST_CHANGE_PASSWORD
  1862: 'fatal', // ER_MUST_CHANGE_PASSWORD_LOGIN
  3118: 'fatal', // ER_ACCOUNT_HAS_BEEN_LOCKED, of MySQL
  3159: 'fatal', // ER_SECURE_TRANSPORT_REQUIRED, of MySQL
  4151: 'fatal', // ER_ACCOUNT_HAS_BEEN_LOCKED, of MariaDB
}

/** What mysql2 and Node say before the server does. */
const ofClient = new Set([
  'AUTH_SWITCH_PLUGIN_ERROR', // a way to log in that mysql2 does not know
  'ERR_INVALID_URL',
  'ERR_SOCKET_BAD_PORT',
  'HANDSHAKE_NO_SSL_SUPPORT',
])

/** mysql2 gives every failed handshake of TLS this code in place of Node's. The words tell a certificate from a lost line. */
const OF_TLS = 'HANDSHAKE_SSL_ERROR'
const refusedCertificate = /certificate|altnames/i

/** The class of syntax errors and missing rights, which a `setup` of the session may cause. */
const WRONG_STATEMENT = '42'

/** What a failed connect means for those who wait. */
export function classify(error: unknown): CreateFailure {
  if (error instanceof TypeError) return 'fatal' // An option that mysql2 does not take.
  const { code, errno, message, sqlState } = (error ?? {}) as Readonly<Record<string, unknown>>
  if (typeof code === 'string' && ofClient.has(code)) return 'fatal'
  if (code === OF_TLS) return refusedCertificate.test(String(message)) ? 'fatal' : 'transient'
  const kind = typeof errno === 'number' ? meanings[errno] : undefined
  if (kind !== undefined) return kind
  return typeof sqlState === 'string' && sqlState.startsWith(WRONG_STATEMENT)
    ? 'fatal'
    : 'transient'
}
