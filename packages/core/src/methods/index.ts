// What drivers of databases make their methods of. The pool does without.
export { transact } from './transaction.ts'
export type {
  Savepoint,
  TransactionAttempts,
  TransactionDialect,
  TransactionWork,
} from './transaction.ts'
export { cancelOrEnd, useUntilAborted } from './until-aborted.ts'
export type { Cancel, Work } from './until-aborted.ts'
