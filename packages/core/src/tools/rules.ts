import { nearest } from './spelling.ts'

/** The values that an option accepts. */
export interface Rule {
  /** The end of the sentence "expected it to be …". */
  readonly expected: string
  /** Whether the option may be this. */
  readonly accepts: (value: unknown) => boolean
  /**
   * Whether the error shows a wrong number or boolean. Only for an option that takes a number, a boolean or one of a few words: a
   * wrong value of any other option may be a secret. Default `false`.
   */
  readonly shows?: boolean
}

/** The rule of each option. */
export type Rules = Readonly<Record<string, Rule>>

/** Accepts a boolean. */
export const trueOrFalse: Rule = {
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
  shows: true,
}

export const aFunction: Rule = {
  expected: 'a function',
  accepts: (value) => typeof value === 'function',
}

/** Accepts an `AbortSignal`. */
export const anAbortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => value instanceof AbortSignal,
}

/** A whole number that is not below `least`. */
export const wholeFrom = (least: number): Rule => ({
  expected: `a whole number of at least ${least}`,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  shows: true,
})

/** A whole number that is not below `least`, or `Infinity`. */
export const limit = (least: number): Rule => ({
  expected: `a whole number of at least ${least}, or Infinity`,
  accepts: (value) => value === Infinity || wholeFrom(least).accepts(value),
  shows: true,
})

/** Accepts one of these words. */
export const oneOf = (words: readonly string[]): Rule => ({
  expected: words
    .map((word) => `'${word}'`)
    .join(', ')
    .replace(/, (?='[^']*'$)/, ' or '),
  accepts: (value) => words.includes(value as string),
  shows: true,
})

/** Returns advice on an unknown option, with its full stop. */
export type Hint = (option: string) => string | undefined

/**
 * Checks options by their rules. An option that is `undefined` counts as left out. `where` begins the message.
 * @throws {TypeError} for anything but a plain object, and for a wrong or unknown option.
 */
export function checkOptions(where: string, rules: Rules, options: unknown, hint?: Hint): void {
  if (!isPlainObject(options)) {
    throw expected(where, 'a plain object of options', options)
  }
  // Faster than `Object.entries`: this runs at each acquire with options.
  for (const option of Object.keys(options)) {
    const value = (options as Readonly<Record<string, unknown>>)[option]
    if (value === undefined) continue
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined
    if (rule === undefined) {
      const names = Object.keys(rules)
      throw new TypeError(
        `${where}: there is no option ${nameOf(option)} (got ${kindOf(value)} for it)` +
          `${adviceOn(option, names, hint)} There are ${names.join(', ')}.`,
      )
    }
    if (!rule.accepts(value)) {
      throw expected(where, `\`${option}\` to be ${rule.expected}`, value, rule.shows)
    }
  }
}

/** @throws {TypeError} for a value that its rule does not accept. `what` names the value in the message. */
export function checkValue(where: string, what: string, rule: Rule, value: unknown): void {
  if (rule.accepts(value)) return
  throw expected(where, `${what} to be ${rule.expected}`, value, rule.shows)
}

/** Returns the error for a wrong value. Shows a wrong number or boolean only if `shows` is set. */
export function expected(where: string, what: string, got: unknown, shows = false): TypeError {
  return new TypeError(`${where}: expected ${what}, got ${shows ? show(got) : kindOf(got)}.`)
}

function adviceOn(option: string, names: readonly string[], hint: Hint | undefined): string {
  const advice = hint?.(option)
  if (advice !== undefined) return `: ${advice}`
  const meant = nearest(option, names)
  return meant === undefined ? '.' : `: did you mean \`${meant}\`?`
}

/**
 * Whether a value is an object as `{}` makes it, of any realm. An object that inherits properties is not: only own properties are
 * checked, but inherited ones would be read too.
 */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === null || prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Formats a value for an error message: a number or a boolean with its type, anything else as `kindOf`. */
export function show(value: unknown): string {
  if (typeof value !== 'number' && typeof value !== 'boolean') return kindOf(value)
  return `${value} (${typeof value})`
}

/** Returns the kind of a value for an error message, and no part of the value: it may be a password. Never throws. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value === '') return 'an empty string'
  if (typeof value !== 'object') return `a ${typeof value}`
  try {
    if (Array.isArray(value)) return 'an array'
    return isPlainObject(value) ? 'an object' : `an instance of ${classOf(value)}`
  } catch {
    return 'an object'
  }
}

/** A name in a program, and not a connection string or the like. */
const IDENTIFIER = /^[A-Za-z_$][\w$]{0,49}$/

/** Returns the name of an option for an error message, if it is an identifier: anything else may be a secret. */
export function nameOf(option: string): string {
  return IDENTIFIER.test(option) ? `\`${option}\`` : 'of that name'
}

function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object
  const { constructor } = prototype as { readonly constructor?: unknown }
  const name = typeof constructor === 'function' ? constructor.name : ''
  return IDENTIFIER.test(name) ? name : 'a class'
}
