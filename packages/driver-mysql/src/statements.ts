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
/** And no column of that name. Between the two words there may be comments. */
const TAKES_ROLE = /\bset(?:\s|\/\*(?:[^*]|\*(?!\/))*\*\/)+role\b(?!\s*:?=)/i

/** By its text alone, so what is not known counts as something that is left. */
export function effectOf(sql: string): Effect {
  if (HARMLESS.test(sql)) return HIDDEN.test(sql) ? 'leaves' : 'none'
  if (BEGINS.test(sql)) return 'begins'
  if (ANNOUNCES.test(sql)) return 'announces'
  return ENDS.test(sql) ? 'ends' : 'leaves'
}

/** Whether a statement that leaves something may have left another database. */
export function mayMove(sql: string): boolean {
  return MOVES.test(sql)
}

/** Whether a statement that leaves something may have locked tables. */
export function mayLockTables(sql: string): boolean {
  return LOCKS_TABLES.test(sql)
}

/** Whether a statement that leaves something may have switched `autocommit`. */
export function maySwitchAutocommit(sql: string): boolean {
  return SWITCHES.test(sql)
}

/** Whether a statement that leaves something takes on another role, which no reset of the session undoes. */
export function takesRole(sql: string): boolean {
  return TAKES_ROLE.test(sql)
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
