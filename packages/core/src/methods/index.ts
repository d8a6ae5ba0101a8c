// What drivers of databases make their methods of. The pool does without most of it.
export {
  anAbortSignal,
  checkOptions,
  isPlainObject,
  kindOf,
  oneOf,
  show,
  trueOrFalse,
  wholeFrom,
} from '../tools/rules.ts'
export type { Rule, Rules } from '../tools/rules.ts'
export { transact } from './transaction.ts'
export type {
  Savepoint,
  TransactionAttempts,
  TransactionDialect,
  TransactionWatch,
  TransactionWork,
} from './transaction.ts'
export { cancelOrEnd, useUntilAborted } from './until-aborted.ts'
export type { Cancel, Work } from './until-aborted.ts'
export { watchUnanswered } from './unanswered.ts'
export type { Unanswered } from './unanswered.ts'
