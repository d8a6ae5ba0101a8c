import type { TransactionOptions } from './transaction.ts'

const isolations = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']

const rules: Record<
  keyof TransactionOptions,
  { expected: string; accepts(value: unknown): boolean }
> = {
  isolation: {
    expected: `one of ${isolations.map((level) => `'${level}'`).join(', ')}`,
    accepts: (value) => isolations.includes(value as string),
  },
  readOnly: {
    expected: 'true or false',
    accepts: (value) => typeof value === 'boolean',
  },
  retries: {
    expected: 'a whole number of at least 0',
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  },
  signal: { expected: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal },
}

/**
 * The statements that begin a transaction. Its isolation is the next transaction's, and no other's.
 * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
 */
export function beginOf(pool: string, work: unknown, options: TransactionOptions): string[] {
  const where = `Pool "${pool}", \`transaction\``
  if (typeof work !== 'function') {
    throw new TypeError(`${where}: expected a function, got ${String(work)} (${typeof work}).`)
  }
  for (const [option, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, option)
      ? rules[option as keyof TransactionOptions]
      : undefined
    if (rule === undefined) {
      throw new TypeError(
        `${where}: there is no option \`${option}\`. There are ${Object.keys(rules).join(', ')}.`,
      )
    }
    if (value !== undefined && !rule.accepts(value)) {
      throw new TypeError(
        `${where}: expected \`${option}\` to be ${rule.expected}, got ${String(value)} (${typeof value}).`,
      )
    }
  }
  const { isolation, readOnly } = options
  const access = readOnly === undefined ? '' : readOnly ? ' READ ONLY' : ' READ WRITE'
  const begin = `START TRANSACTION${access}`
  if (isolation === undefined) return [begin]
  return [`SET TRANSACTION ISOLATION LEVEL ${isolation.toUpperCase()}`, begin]
}
