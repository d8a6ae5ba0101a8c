import { withoutComments } from './comments.ts'

/** What a statement does to its session, beyond what a transaction or the tables keep. */
export type Effect =
  | 'none'
  | 'announces' // what the next transaction will be like
  | 'begins' // a transaction
  | 'ends' // a transaction, if it succeeds
  | 'leaves' // perhaps something behind

const ANNOUNCES = /^\s*set\s+transaction\b[\w\s,]*;?\s*$/i
const BEGINS = /^\s*(?:begin(?:\s+work)?|start\s+transaction)(?:\s[\w\s,]*)?;?\s*$/i
const ENDS = /^\s*(?:commit|rollback)(?:\s+work)?\s*;?\s*$/i
const HARMLESS =
  /^[\s(]*(?:select|insert|update|delete|replace|with|values|show|explain|desc(?:ribe)?|do|savepoint|release\s+savepoint|rollback\s+(?:work\s+)?to)\b/i
/** In a statement that looks harmless: a user variable, a second statement, a comment that is executed, a lock by name. */
const HIDDEN = /(?<!@)@(?!@)|;\s*\S|\/\*M?!|\b(?:get_lock|service_get_\w+_locks)\b/i
/** The session may be in another database after these, or in none. */
const MOVES = /\b(?:use|database|schema)\b/i
/** LOCK TABLES, and FLUSH TABLES WITH READ LOCK. */
const LOCKS_TABLES = /\block\s+tables?\b|\bread\s+lock\b/i
/** By name, or in a procedure or a prepared statement. */
const SWITCHES = /\b(?:autocommit|call|execute)\b/i
/** Not of a column with that name. In the text of a prepared statement, comments may stand between the two words. */
const TAKES_ROLE = /\bset(?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/)+role\b(?!\s*:?=)/i

/** The server executes nothing of it: it is empty, or a syntax error. */
const NO_STATEMENT = /^\s*(?:;?\s*$|[\d'"*@])/

/** Returns the effect of a statement by its text alone. An unknown statement counts as one that leaves something. */
export function effectOf(sql: string): Effect {
  const { texts, sure } = withoutComments(sql)
  if (!sure) return 'leaves'
  const [text = '', ...others] = texts
  if (others.length === 0) return effectOfText(text)
  // A server that skips an executable comment may find no statement.
  const isNone = (text: string): boolean => NO_STATEMENT.test(text)
  const effects = new Set(texts.map((text) => (isNone(text) ? 'none' : effectOfText(text))))
  const [effect = 'leaves'] = effects
  return effects.size === 1 ? effect : 'leaves'
}

/** The same, of a text without comments. */
export function effectOfText(text: string): Effect {
  if (HARMLESS.test(text)) return HIDDEN.test(text) ? 'leaves' : 'none'
  if (BEGINS.test(text)) return 'begins'
  if (ANNOUNCES.test(text)) return 'announces'
  return ENDS.test(text) ? 'ends' : 'leaves'
}

/** Returns whether a statement that leaves something may have left another database. */
export function mayMove(sql: string): boolean {
  return matches(MOVES, sql)
}

/** Returns whether a statement that leaves something may have locked tables. */
export function mayLockTables(sql: string): boolean {
  return matches(LOCKS_TABLES, sql)
}

/** Returns whether a statement that leaves something may have switched `autocommit`. */
export function maySwitchAutocommit(sql: string): boolean {
  return matches(SWITCHES, sql)
}

/** Returns whether a statement that leaves something takes on another role, which no reset of the session undoes. */
export function takesRole(sql: string): boolean {
  const { texts, sure } = withoutComments(sql)
  return texts.some((text) => TAKES_ROLE.test(text)) || (!sure && /\brole\b/i.test(sql))
}

function matches(pattern: RegExp, sql: string): boolean {
  return withoutComments(sql).texts.some((text) => pattern.test(text))
}

/** Whether values are filled in as they are, as `mysql.raw()` is: then what a statement does is known with them only. */
export function bringsSql(values: unknown): boolean {
  if (Array.isArray(values)) return values.some(bringsSql)
  return isRaw(values) || (isPlain(values) && Object.values(values).some(isRaw))
}

function isRaw(value: unknown): boolean {
  return (
    typeof (value as { readonly toSqlString?: unknown } | null | undefined)?.toSqlString ===
    'function'
  )
}

/** Its keys and values are filled in, one by one. */
function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
}
