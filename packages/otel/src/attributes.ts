/** The name of the pool, by the semantic conventions. */
export const POOL_NAME = 'db.client.connection.pool.name'
/** `idle` or `used`, by the semantic conventions. */
export const STATE = 'db.client.connection.state'

/** The code of an error, such as `ECONNREFUSED` or `FORKSAFE_ACQUIRE_TIMEOUT`, or its name. */
export function errorType(error: unknown): string {
  const { code, name } = Object(error) as { readonly code?: unknown; readonly name?: unknown }
  if (typeof code === 'string' && code !== '') return code
  return typeof name === 'string' && name !== '' ? name : '_OTHER'
}
