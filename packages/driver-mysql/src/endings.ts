import { effectOf } from './statements.ts'

/** What a statement may do to the transaction that it runs in. */
export type Ending =
  | 'ends' // it, if it succeeds
  | 'may end' // it, and may even start another one
  | 'names' // a savepoint of the user's: sets it, releases it or rolls back to it
  | 'none'

const ENDS =
  /^\s*(?:(?:begin|commit|rollback)(?:\s+work)?|start\s+transaction)(?:[\s,]+(?:and\s+(?:no\s+)?chain|(?:no\s+)?release|with\s+consistent\s+snapshot|read\s+(?:only|write)))*\s*;?\s*$/i
/** Behind the version in `/*!50000COMMIT`, there may be no space. */
const MAY_END =
  /(?<![a-z_$])(?:commit|rollback|begin|start|autocommit|call|execute|savepoint|xa)\b/i
const NAMES = /^[\s(]*(?:savepoint|release|rollback)\b/i
const MAY_NAME = /(?<![a-z_$])(?:rollback|savepoint)\b/i

/**
 * By its text alone. The server tells of a transaction that has ended only if it has not started another one by then: so with
 * `autocommit` off, any statement that is not known to be harmless counts.
 */
export function endingOf(sql: string, autocommits: boolean): Ending {
  if (effectOf(sql) === 'none') return NAMES.test(sql) ? 'names' : 'none'
  if (ENDS.test(sql)) return 'ends'
  return MAY_END.test(sql) || !autocommits ? 'may end' : 'none'
}

/** Whether a statement that may end a transaction may also use savepoints by its text. */
export function mayName(sql: string): boolean {
  return MAY_NAME.test(sql)
}
