/** The effect of a statement that may end a transaction. */
export type TransactionEffect =
  | 'ends' // COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION
  | 'rolls back to a savepoint'

const TOKEN =
  /--[^\n\r]*|\/\*|(\b[eE])?'|"(?:[^"]|"")*"|\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*|;/gi

/**
 * Lists the statements of a text that may end a transaction, in their order. PostgreSQL answers ROLLBACK and ROLLBACK TO with the
 * same word, so only the text tells them apart. `escapes`: whether a backslash escapes in every string, if that is known.
 * Returns `undefined` if the list depends on it and it is not known.
 */
export function transactionEffectsOf(
  text: string,
  escapes?: boolean,
): TransactionEffect[] | undefined {
  const effects = scan(text, escapes === true)
  if (escapes !== undefined || !text.includes('\\')) return effects
  return scan(text, true).join() === effects.join() ? effects : undefined
}

function scan(text: string, escapes: boolean): TransactionEffect[] {
  const effects: TransactionEffect[] = []
  let words: string[] = []
  const end = (): void => {
    const effect = transactionEffectOf(words)
    if (effect !== undefined) effects.push(effect)
    words = []
  }
  const token = new RegExp(TOKEN)
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [symbol, escaping] = found
    const from = token.lastIndex
    if (symbol === ';') end()
    else if (symbol === '/*') token.lastIndex = endOfComment(text, from)
    else if (symbol.endsWith("'")) {
      token.lastIndex = endOfString(text, from, escapes || escaping !== undefined)
    } else if (symbol.startsWith('$')) {
      const close = text.indexOf(symbol, from)
      token.lastIndex = close < 0 ? text.length : close + symbol.length
    } else if (!symbol.startsWith('--') && words.length < 3) words.push(symbol.toLowerCase())
  }
  end()
  return effects
}

/** Comments nest. */
function endOfComment(text: string, from: number): number {
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  for (let depth = 1; depth > 0;) {
    const found = mark.exec(text)
    if (found === null) return text.length
    depth += found[0] === '/*' ? 1 : -1
  }
  return mark.lastIndex
}

function endOfString(text: string, from: number, escapes: boolean): number {
  const mark = escapes ? /''|'|\\/g : /''|'/g
  mark.lastIndex = from
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    if (found[0] === "'") return mark.lastIndex
    if (found[0] === '\\') mark.lastIndex++
  }
  return text.length
}

const ENDS = new Set(['commit', 'end', 'abort'])

function transactionEffectOf([first = '', second, third]: readonly string[]):
  TransactionEffect | undefined {
  if (first === 'rollback') {
    const next = second === 'work' || second === 'transaction' ? third : second
    return next === 'to' ? 'rolls back to a savepoint' : 'ends'
  }
  const ends = ENDS.has(first) || (first === 'prepare' && second === 'transaction')
  return ends ? 'ends' : undefined
}
