/**
 * Which statements may run on a connection together with those of other callers:
 *
 * - `shared`: a single query that reads;
 * - `sealed`: a single statement that may write. It may wait for a lock, so nothing is sent behind it;
 * - `exclusive`: everything else. It may change the session, or be more than one statement.
 */
export type StatementClass = 'shared' | 'sealed' | 'exclusive'

const CLASSES: ReadonlyMap<string, StatementClass> = new Map([
  ['select', 'shared'],
  ['values', 'shared'],
  ['table', 'shared'],
  ['with', 'sealed'],
  ['insert', 'sealed'],
  ['update', 'sealed'],
  ['delete', 'sealed'],
  ['merge', 'sealed'],
])

/** Functions of the server and its extensions that change the session, in whatever statement they are called. */
const CHANGES_SESSION =
  /^(?:set_config|setseed|pg_(?:try_)?advisory_.*|pg_(?:start_|stop_)?backup.*|pg_replication_origin_.*|pg_create_.*_slot|pg_copy_.*_slot|dblink.*)$/
/** Behind FOR, in a query that locks rows. */
const LOCKS = new Set(['update', 'share', 'no', 'key'])
/** Behind these, INTO does not create a table. */
const BEFORE_INTO = new Set(['insert', 'merge'])

const BLANK = /[ \t\n\r\f\v]+|--[^\n\r]*/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const NUMBER = /\d[\w.$\u0080-\uffff]*/y
const PARAMETER = /\$\d+/y
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const IDENTIFIER = /"(?:[^"]|"")*"/y
const STRING = /'(?:[^']|'')*'/y
const ESCAPE_STRING = /'(?:[^'\\]|''|\\[^])*'/y

/** Classifies what a text does by PostgreSQL's lexical rules. A text that they do not accept, or that is ambiguous, is `exclusive`. */
export function classifyStatement(text: string): StatementClass {
  let kind: StatementClass | undefined
  /** The last word, unless a symbol followed it. */
  let last = ''
  let ended = false
  let at = 0

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }

  while (at < text.length) {
    if (take(BLANK) !== undefined) continue
    if (text.startsWith('/*', at)) {
      at = endOfComment(text, at)
      if (at < 0) return 'exclusive'
      continue
    }
    const symbol = text.charAt(at)
    if (symbol === ';') {
      ended = true
      at++
      continue
    }
    // Another statement follows.
    if (ended) return 'exclusive'
    const word = take(WORD)?.toLowerCase()
    if (kind === undefined) {
      if (word !== undefined) {
        kind = CLASSES.get(word) ?? 'exclusive'
        if (kind === 'exclusive') return kind
      } else if (symbol === '(') at++
      else return 'exclusive'
      last = word ?? ''
      continue
    }
    if (word !== undefined) {
      if (text.startsWith("'", at) && word === 'e') {
        if (take(ESCAPE_STRING) === undefined) return 'exclusive'
      } else if (word === 'u' && /^&["']/.test(text.slice(at, at + 2))) return 'exclusive'
      else if (word === 'into' && !BEFORE_INTO.has(last)) return 'exclusive'
      else if (kind === 'shared' && last === 'for' && LOCKS.has(word)) return 'exclusive'
      else if (CHANGES_SESSION.test(word)) return 'exclusive'
      last = word
      continue
    }
    last = ''
    if (symbol === "'") {
      const string = take(STRING)
      // With `standard_conforming_strings` off, the string would end elsewhere.
      if (string === undefined || string.includes("\\'")) return 'exclusive'
    } else if (symbol === '"') {
      const name = take(IDENTIFIER)
      if (name === undefined || CHANGES_SESSION.test(name.slice(1, -1))) return 'exclusive'
    } else if (symbol === '$' && take(PARAMETER) === undefined) {
      const quote = take(DOLLAR_QUOTE)
      const end = quote === undefined ? -1 : text.indexOf(quote, at)
      if (quote === undefined || end < 0) return 'exclusive'
      at = end + quote.length
    } else if (symbol >= '0' && symbol <= '9') {
      // Before PostgreSQL 15, a dollar quote may begin in it.
      if (take(NUMBER)?.includes('$') === true) return 'exclusive'
    } else if (symbol === '\0') return 'exclusive'
    else if (symbol !== '$') at++
  }
  return kind ?? 'exclusive'
}

/** Returns where a comment ends, or -1. Comments nest. */
function endOfComment(text: string, from: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  let depth = 0
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return -1
}
