/** Where a comment may begin. Most statements have none. */
const MAY_BEGIN = /\/\*|--|#/
/** Begins a comment, a string or a quoted name. Behind `--` there must be a space, or another character below it. */
// oxlint-disable-next-line no-control-regex -- these characters are in MySQL's grammar
const BEGINS = /\/\*|--(?=[\0- \x7f]|$)|#|['"`]/g
/** Begins a comment that the server executes, as of a version: `/*!`, `/*!50000` and MariaDB's `/*M!`. */
const EXECUTABLE = /\/\*M?!\d{0,6}/y
/** In an executable comment, another comment or a string may hide where it ends. */
const NESTS = /\/\*|--|['"`#]/

/** A statement without its comments. */
export interface Readings {
  /** What the server may execute. Several texts if that depends on its version or its SQL mode. */
  readonly texts: readonly string[]
  /** `false` if the comments are not understood; `texts` is then the statement as it is. */
  readonly sure: boolean
}

/** Removes the comments of a statement. */
export function withoutComments(sql: string): Readings {
  if (!MAY_BEGIN.test(sql)) return { texts: [sql], sure: true }
  const texts = new Set<string>()
  // `NO_BACKSLASH_ESCAPES` decides where a string with a backslash ends.
  for (const escapes of sql.includes('\\') ? [true, false] : [true]) {
    for (const executed of [true, false]) {
      const text = read(sql, escapes, executed)
      if (text === undefined) return { texts: [sql], sure: false }
      texts.add(text)
    }
  }
  return { texts: [...texts], sure: true }
}

/** Returns `undefined` if it is not clear where a comment ends. */
function read(sql: string, escapes: boolean, executed: boolean): string | undefined {
  let text = ''
  /** Everything before this is in `text`, or is a comment. */
  let from = 0
  BEGINS.lastIndex = 0
  for (let found = BEGINS.exec(sql); found !== null; found = BEGINS.exec(sql)) {
    const { index } = found
    const [begin] = found
    if (begin === '/*' || begin === '#' || begin === '--') {
      text += `${sql.slice(from, index)} `
      const end = sql.indexOf(begin === '/*' ? '*/' : '\n', index + begin.length)
      if (begin === '/*') {
        if (end < 0) return undefined
        EXECUTABLE.lastIndex = index
        const [prefix] = EXECUTABLE.exec(sql) ?? []
        if (prefix !== undefined) {
          const inside = sql.slice(index + prefix.length, end)
          if (NESTS.test(inside)) return undefined
          if (executed) text += `${inside} `
        }
        from = end + 2
      } else from = end < 0 ? sql.length : end
      BEGINS.lastIndex = from
    } else BEGINS.lastIndex = endOfQuoted(sql, index, begin, escapes && begin !== '`')
  }
  return text + sql.slice(from)
}

/** A doubled quote ends one string and begins the next, which makes no difference here. */
function endOfQuoted(sql: string, begin: number, quote: string, escapes: boolean): number {
  const code = quote.charCodeAt(0)
  for (let at = begin + 1; at < sql.length; at++) {
    const current = sql.charCodeAt(at)
    if (current === code) return at + 1
    if (escapes && current === 0x5c) at++
  }
  return sql.length
}
