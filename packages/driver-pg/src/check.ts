/** What an option may be. */
export interface Rule {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
}

export const anAbortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => value instanceof AbortSignal,
}

/**
 * Checks options by their rules. What is `undefined` counts as left out.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function checkOptions(
  where: string,
  rules: Readonly<Record<string, Rule>>,
  options: unknown,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${where}: expected an object of options, got ${show(options)}.`)
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

/** Tells what came, in an error message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`
  const isSimple = ['number', 'bigint', 'boolean'].includes(typeof value)
  return isSimple ? `${String(value)} (${typeof value})` : kindOf(value)
}

/** Tells only of what kind it is. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
