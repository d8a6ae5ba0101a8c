import {
  anAbortSignal,
  checkOptions,
  oneOf,
  type Rule,
  show,
  trueOrFalse,
  wholeFrom,
} from '@forksafe/core/methods'
import type { TransactionOptions } from './transaction.ts'

const rules: Record<keyof TransactionOptions, Rule> = {
  isolation: oneOf(['read uncommitted', 'read committed', 'repeatable read', 'serializable']),
  readOnly: trueOrFalse,
  deferrable: trueOrFalse,
  retries: wholeFrom(0),
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
