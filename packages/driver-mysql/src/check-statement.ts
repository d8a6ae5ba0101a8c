import {
  anAbortSignal,
  checkOptions,
  isPlainObject,
  kindOf,
  type Rules,
} from '@forksafe/core/methods'

/** What a method that runs one statement is given. */
export type Given = readonly [statement: unknown, values: unknown, options: unknown]

/**
 * Checks what a method that runs one statement was given. Before each statement: `where` is asked only to complain.
 * @throws {TypeError} for what is no statement, for a callback, and for a wrong or unknown option.
 */
export function checkStatement(
  where: () => string,
  rules: Rules,
  [statement, values, options]: Given,
): void {
  if (typeof statement !== 'string') checkSql(where, statement)
  if (typeof values === 'function' || typeof options === 'function') {
    throw new TypeError(`${where()}: expected no callback, got a function: it gives a promise.`)
  }
  if (isPlainObject(values) && anAbortSignal.accepts((values as { signal?: unknown }).signal)) {
    throw new TypeError(`${where()}: expected values, got options, which come after them.`)
  }
  if (options !== undefined) checkOptions(where(), rules, options)
}

function checkSql(where: () => string, statement: unknown): void {
  const { sql } = Object(statement) as { readonly sql?: unknown }
  if (typeof sql === 'string') return
  const came = sql === undefined ? kindOf(statement) : `\`sql\`: ${kindOf(sql)}`
  throw new TypeError(`${where()}: expected SQL, or an object with \`sql\`, got ${came}.`)
}
