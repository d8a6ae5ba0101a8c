import { inspect } from 'node:util'

/** The rule of an option. */
export interface Rule {
  /** The end of the sentence "expected `x` to be …". */
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
  readonly required?: true
  /** Whether a number that is not accepted is a `RangeError`. */
  readonly range?: true
}
export type Rules = Readonly<Record<string, Rule>>

/** The longest time that a timer of Node supports. */
const MAX_MILLIS = 2_147_483_647

export const isFunction = (value: unknown): boolean => typeof value === 'function'
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const optional = (expected: string, accepts: Rule['accepts']): Rule => ({
  expected,
  accepts,
})
export const required = (expected: string, accepts: Rule['accepts']): Rule => ({
  expected,
  accepts,
  required: true,
})
export const oneOf = (...values: unknown[]): Rule =>
  optional(values.join(' or '), (value) => values.includes(value))
/** A time in milliseconds. */
export const millisFrom = (least: number): Rule => ({
  expected: `a number from ${least} to ${MAX_MILLIS}`,
  accepts: (value) => typeof value === 'number' && value >= least && value <= MAX_MILLIS,
  range: true,
})

/** A `ProxyTarget`. */
export const target = required('{ port } with an integer from 1 to 65535, or { path }', (value) => {
  if (!isRecord(value)) return false
  const { path, port, host } = value
  if (path !== undefined) return typeof path === 'string' && path !== ''
  const isPort = Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535
  return isPort && (host === undefined || typeof host === 'string')
})

/**
 * Checks options by their rules. `where` begins the message.
 * @throws {TypeError} if `options` is not an object, and for a wrong, missing or unknown option
 * @throws {RangeError} for a number that a rule with `range` does not accept
 */
export function checkOptions(where: string, options: unknown, rules: Rules): void {
  if (!isRecord(options)) {
    throw new TypeError(`${where}: expected the options to be an object, got ${show(options)}.`)
  }
  for (const option of Object.keys(options)) {
    if (Object.hasOwn(rules, option)) continue
    throw new TypeError(
      `${where}: there is no option \`${option}\`. There are ${Object.keys(rules).join(', ')}.`,
    )
  }
  for (const [option, rule] of Object.entries(rules)) {
    if (options[option] !== undefined || rule.required === true) {
      check(where, option, options[option], rule)
    }
  }
}

/**
 * @throws {TypeError} for a value that its rule does not accept
 * @throws {RangeError} for a number that a rule with `range` does not accept
 */
export function check(where: string, name: string, value: unknown, rule: Rule): void {
  if (rule.accepts(value)) return
  const message = `${where}: expected \`${name}\` to be ${rule.expected}, got ${show(value)}.`
  throw rule.range === true && typeof value === 'number'
    ? new RangeError(message)
    : new TypeError(message)
}

/** Formats a value and its type for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`
  if (isRecord(value)) {
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key}: ${isRecord(inner) ? '{ … }' : show(inner)}`)
      .join(', ')} }`
  }
  if (typeof value === 'function') return 'a function'
  return value === undefined ? 'undefined' : `${inspect(value)} (${typeof value})`
}
