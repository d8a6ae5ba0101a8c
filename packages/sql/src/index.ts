// What drivers of SQL databases share.
export type * from './dialect.ts'
export { CommitUnknownError, RolledBackError, TransactionEndedError } from './errors.ts'
export { modesOf } from './options.ts'
export type { TransactionOptions } from './options.ts'
export { transact } from './transact.ts'
export { cancelOrEnd, useUntilAborted } from './until-aborted.ts'
export type { Cancel, Work } from './until-aborted.ts'
