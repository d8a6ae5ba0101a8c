import { anAbortSignal, checkOptions, type Rule, show } from './check.ts'
import type { TransactionOptions } from './transaction.ts'

const isolations = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']
const trueOrFalse: Rule = {
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
}

const rules: Record<keyof TransactionOptions, Rule> = {
  isolation: {
    expected: `one of ${isolations.map((level) => `'${level}'`).join(', ')}`,
    accepts: (value) => isolations.includes(value as string),
  },
  readOnly: trueOrFalse,
  deferrable: trueOrFalse,
  retries: {
    expected: 'a whole number of at least 0',
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  },
  signal: anAbortSignal,
}

/**
 * The statement that begins a transaction.
 * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
 */
export function beginOf(pool: string, work: unknown, options: TransactionOptions): string {
  const where = `Pool "${pool}", \`transaction\``
  if (typeof work !== 'function') {
    throw new TypeError(`${where}: expected a function, got ${show(work)}.`)
  }
  checkOptions(where, rules, options)
  const { isolation, readOnly, deferrable } = options
  const modes = [
    isolation !== undefined && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly !== undefined && (readOnly ? 'READ ONLY' : 'READ WRITE'),
    deferrable !== undefined && (deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE'),
  ]
  return ['BEGIN', ...modes.filter((mode) => mode !== false)].join(' ')
}
