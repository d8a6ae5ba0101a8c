import { withoutComments } from './comments.ts'
import { effectOfText } from './statements.ts'

/** What a statement may do to the transaction that it runs in. */
export type TransactionEffect =
  | 'ends' // it, if it succeeds
  | 'may end' // it, and may even start another one
  | 'names' // a savepoint of the user's: sets it, releases it or rolls back to it
  | 'none'

const ENDS =
  /^\s*(?:(?:begin|commit|rollback)(?:\s+work)?|start\s+transaction)(?:[\s,]+(?:and\s+(?:no\s+)?chain|(?:no\s+)?release|with\s+consistent\s+snapshot|read\s+(?:only|write)))*\s*;?\s*$/i
const MAY_END =
  /(?<![a-z_$])(?:commit|rollback|begin|start|autocommit|call|execute|savepoint|xa)\b/i
const NAMES = /^[\s(]*(?:savepoint|release|rollback)\b/i
const MAY_NAME = /(?<![a-z_$])(?:rollback|savepoint)\b/i

/**
 * Returns what a statement may do to its transaction, by its text alone. The server reports the end of a transaction only if no other
 * one has begun by then. So with `autocommit` off, every statement that is not known to be harmless counts.
 */
export function transactionEffectOf(sql: string, autocommits: boolean): TransactionEffect {
  const { texts, sure } = withoutComments(sql)
  if (!sure) return MAY_END.test(sql) || !autocommits ? 'may end' : 'none'
  const effects = new Set(texts.map((text) => effectOnTransaction(text, autocommits)))
  const [effect = 'may end'] = effects
  return effects.size === 1 ? effect : 'may end'
}

function effectOnTransaction(text: string, autocommits: boolean): TransactionEffect {
  if (effectOfText(text) === 'none') return NAMES.test(text) ? 'names' : 'none'
  if (ENDS.test(text)) return 'ends'
  return MAY_END.test(text) || !autocommits ? 'may end' : 'none'
}

/** Returns whether a statement that may end a transaction may also use savepoints, by its text alone. */
export function mayName(sql: string): boolean {
  return withoutComments(sql).texts.some((text) => MAY_NAME.test(text))
}
