import { hintForPoolOption } from '../context/hints.ts'
import { isPoolOption } from '../context/parse-options.ts'
import { isPlainObject } from '../tools/rules.ts'

/**
 * Checks that a client's configuration contains no options of the pool, which would have no effect there. `client` lists the names
 * that also mean something to the client, `pools` further names that mean something only to the client's own pool. An option
 * that is `undefined` counts as left out.
 * @throws {TypeError} naming the option, and what it is called here.
 */
export function refusePoolOptions(
  connection: unknown,
  names: { readonly client?: readonly string[]; readonly pools?: readonly string[] } = {},
): void {
  if (!isPlainObject(connection)) return
  for (const [name, value] of Object.entries(connection)) {
    if (value === undefined || names.client?.includes(name) === true) continue
    if (isPoolOption(name)) {
      throw new TypeError(
        `Expected no \`${name}\` in \`connection\`: it is an option of the pool, so put it next to \`connection\`.`,
      )
    }
    if (names.pools?.includes(name) === true) {
      const hint = hintForPoolOption(name)
      throw new TypeError(
        `Expected no \`${name}\` in \`connection\`: it has no effect there` +
          (hint === undefined ? '.' : `, but is an option of the pool: ${hint}`),
      )
    }
  }
}

/** Whether a value is a `URL`, of any realm. */
export function isUrl(value: unknown): value is URL {
  return value instanceof URL || Object.prototype.toString.call(value) === '[object URL]'
}
