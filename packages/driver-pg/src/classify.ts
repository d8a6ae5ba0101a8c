import type { CreateFailure } from '@forksafe/core'
import { isCertificateError } from '@forksafe/core/methods'

/** By SQLSTATE. What is not here passes by itself: a server that starts, stops, or is not there. */
const meanings: Readonly<Record<string, CreateFailure>> = {
  '22023': 'fatal', // invalid_parameter_value: of a setting in `options`
  '28000': 'fatal', // invalid_authorization_specification
  '28P01': 'fatal', // invalid_password
  '3D000': 'fatal', // invalid_catalog_name: no such database
  '42501': 'fatal', // insufficient_privilege: no CONNECT on the database
  '42601': 'fatal', // syntax_error: in `options`
  '42704': 'fatal', // undefined_object: no such setting, or role
  '53300': 'full', // too_many_connections
  ERR_SOCKET_BAD_PORT: 'fatal',
}

/** PgBouncer says almost everything by this one, a protocol violation, also what the server told it. The words differ. */
const OF_PGBOUNCER = '08P01'
const full =
  /^(no more connections allowed|client connections exceeded|sorry, too many clients|remaining connection slots|too many connections for)/
const fatal =
  /authentication failed|^unsupported startup parameter|^no such (user|database)|^(database|role) ".*" does not exist/

/** What pg says by itself, and without a code: no password, or no TLS. */
const ofClient = /^(SASL: |The server does not support SSL connections)/

/** What a failed connect means for those who wait. */
export function classify(error: unknown): CreateFailure {
  // What is no configuration. That of a `fetch` for a password has a cause: the network.
  if (error instanceof TypeError && error.cause === undefined) return 'fatal'
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  const words = typeof message === 'string' ? message : ''
  if (typeof code !== 'string') return ofClient.test(words) ? 'fatal' : 'transient'
  if (code === OF_PGBOUNCER && full.test(words)) return 'full'
  if (code === OF_PGBOUNCER && fatal.test(words)) return 'fatal'
  if (isCertificateError(error)) return 'fatal'
  return meanings[code] ?? 'transient'
}
