import type { CreateFailure } from '@forksafe/core'

/** By SQLSTATE. What is not here passes by itself: a server that starts, stops, or is not there. */
const meanings: Readonly<Record<string, CreateFailure>> = {
  '28000': 'fatal', // invalid_authorization_specification
  '28P01': 'fatal', // invalid_password
  '3D000': 'fatal', // invalid_catalog_name: no such database
  '42501': 'fatal', // insufficient_privilege: no CONNECT on the database
  '53300': 'full', // too_many_connections
}

/** What a failed connect means for those who wait. */
export function classify(error: unknown): CreateFailure {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return (typeof code === 'string' ? meanings[code] : undefined) ?? 'transient'
}
