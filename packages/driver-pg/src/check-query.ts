import { anAbortSignal, checkOptions, kindOf } from '@forksafe/core/methods'

const aBoolean = {
  expected: 'true or false',
  accepts: (value: unknown): boolean => typeof value === 'boolean',
}

/**
 * Checks what `query` was given, before anyone waits for a connection.
 * @throws {TypeError} for what a pool cannot run, though a client or pg.Pool may, and for what pg would refuse later.
 */
export function checkQuery(
  pool: { readonly stats: { readonly name: string } },
  query: unknown,
  values: unknown,
  options: unknown,
): void {
  // Looked up only to be told: a pool adds up its numbers each time.
  const where = (): string => `Pool "${pool.stats.name}", \`query\``
  const expected = (what: string, got: string): TypeError =>
    new TypeError(`${where()}: expected ${what}, got ${got}.`)

  if (typeof values === 'function' || typeof options === 'function') {
    throw expected('no callback, as it gives a promise', 'a function')
  }
  let given = values
  if (typeof query === 'object' && query !== null && !Array.isArray(query)) {
    const { submit, callback, text, name, values: own } = query as Record<string, unknown>
    if (typeof submit === 'function') {
      throw expected(
        'text or a config, and `use` for anything else',
        'a cursor, a stream or another query that was made already',
      )
    }
    if (callback !== undefined) {
      throw expected('a config without `callback`, as it gives a promise', kindOf(callback))
    }
    // pg takes a name alone for a statement that the connection has prepared.
    if (typeof text !== 'string' && (text !== undefined || typeof name !== 'string')) {
      throw expected('`text` to be a string', kindOf(text))
    }
    given ??= own
  } else if (typeof query !== 'string') throw expected('text or a config', kindOf(query))
  // Only of what kind they are: they may be secret.
  if (given !== undefined && given !== null && !Array.isArray(given)) {
    throw expected('`values` to be an array, with options behind it', kindOf(given))
  }
  if (options !== undefined)
    checkOptions(where(), { signal: anAbortSignal, share: aBoolean }, options)
}
