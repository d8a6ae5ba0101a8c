/** What an option may be. */
export interface Rule {
  /** The end of the sentence "expected it to be …". */
  readonly expected: string
  /** Whether the option may be this. */
  readonly accepts: (value: unknown) => boolean
}

/** The rule of each option, by its name. */
export type Rules = Readonly<Record<string, Rule>>

/** `true` or `false`. */
export const trueOrFalse: Rule = {
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
}

/** An `AbortSignal`. */
export const anAbortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => value instanceof AbortSignal,
}

/** A whole number that is not below `least`. */
export const wholeFrom = (least: number): Rule => ({
  expected: `a whole number of at least ${least}`,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= least,
})

/** One of these words. */
export const oneOf = (words: readonly string[]): Rule => ({
  expected: words
    .map((word) => `'${word}'`)
    .join(', ')
    .replace(/, (?='[^']*'$)/, ' or '),
  accepts: (value) => words.includes(value as string),
})

/**
 * Checks options by their rules. One that is `undefined` counts as left out. `where` begins the message.
 * @throws {TypeError} for what is no plain object, and for a wrong or unknown option.
 */
export function checkOptions(where: string, rules: Rules, options: unknown): void {
  if (!isPlainObject(options)) {
    throw new TypeError(`${where}: expected a plain object of options, got ${show(options)}.`)
  }
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined
    if (rule === undefined) {
      throw new TypeError(
        `${where}: there is no option \`${option}\` (got ${kindOf(value)} for it). ` +
          `There are ${Object.keys(rules).join(', ')}.`,
      )
    }
    if (!rule.accepts(value)) {
      throw new TypeError(
        `${where}: expected \`${option}\` to be ${rule.expected}, got ${show(value)}.`,
      )
    }
  }
}

/**
 * Whether a value is an object as `{}` makes it, of any realm. What inherits properties is none: options are checked one
 * own property after the other, but read with all that they inherit.
 */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === null || prototype === Object.prototype) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Tells what came, in an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`
  if (value === null || value === undefined || Object(value) === value) return kindOf(value)
  // oxlint-disable-next-line typescript/no-base-to-string -- no object comes this far
  return `${String(value)} (${typeof value})`
}

/** Tells of what kind a value is, and no more: it may be a password. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return `a ${typeof value}`
  const { name = 'a class' } = Object(value.constructor) as { readonly name?: string }
  return isPlainObject(value) ? 'an object' : `an instance of ${name}`
}
