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
  retries: wholeFrom(0),
  signal: anAbortSignal,
}

/**
 * The statements that begin a transaction. Its isolation is the next transaction's, and no other's.
 * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
 */
export function beginOf(pool: string, work: unknown, options: TransactionOptions): string[] {
  const where = `Pool "${pool}", \`transaction\``
  if (typeof work !== 'function') {
    throw new TypeError(`${where}: expected a function, got ${show(work)}.`)
  }
  checkOptions(where, rules, options)
  const { isolation, readOnly } = options
  const access = readOnly === undefined ? '' : readOnly ? ' READ ONLY' : ' READ WRITE'
  const begin = `START TRANSACTION${access}`
  if (isolation === undefined) return [begin]
  return [`SET TRANSACTION ISOLATION LEVEL ${isolation.toUpperCase()}`, begin]
}
