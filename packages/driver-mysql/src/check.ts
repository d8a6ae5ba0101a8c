/** What an option may be. */
export interface Rule {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
}

/** What a method that runs one statement is given. */
export type Given = readonly [statement: unknown, values: unknown, options: unknown]

type Rules = Readonly<Record<string, Rule>>

export const anAbortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => value instanceof AbortSignal,
}

export const wholeFrom0: Rule = {
  expected: 'a whole number of at least 0',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
}

/** That it is one of these words. */
export function oneOf(words: readonly string[]): Rule {
  return {
    expected: `one of ${words.map((word) => `'${word}'`).join(', ')}`,
    accepts: (value) => words.includes(value as string),
  }
}

/**
 * Checks options by their rules. What is `undefined` counts as left out.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function checkOptions(where: string, rules: Rules, options: unknown): void {
  if (!isPlain(options)) {
    throw new TypeError(`${where}: expected a plain object of options, got ${show(options)}.`)
  }
  for (const [option, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined
    if (rule === undefined) {
      throw new TypeError(
        `${where}: there is no option \`${option}\`. There are ${Object.keys(rules).join(', ')}.`,
      )
    }
    if (value !== undefined && !rule.accepts(value)) {
      throw new TypeError(
        `${where}: expected \`${option}\` to be ${rule.expected}, got ${show(value)}.`,
      )
    }
  }
}

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
  if (isPlain(values) && anAbortSignal.accepts((values as { signal?: unknown }).signal)) {
    throw new TypeError(`${where()}: expected values, got options, which come after them.`)
  }
  if (options !== undefined) checkOptions(where(), rules, options)
}

function checkSql(where: () => string, statement: unknown): void {
  const { sql } = Object(statement) as { readonly sql?: unknown }
  if (typeof sql === 'string') return
  const came = sql === undefined ? show(statement) : `\`sql\`: ${show(sql)}`
  throw new TypeError(`${where()}: expected SQL, or an object with \`sql\`, got ${came}.`)
}

/** Not an array, and not an AbortSignal, say, whose properties are no options. Also one of another realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Tells what came, in an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  // oxlint-disable-next-line typescript/no-base-to-string -- no object comes this far
  return `${String(value)} (${typeof value})`
}
