import { classifyStatement, type StatementClass } from './classify-statement.ts'

const MAX_TEXTS = 1_000
/** Longer texts are classified each time, so that the memory has a bound. */
const MAX_LENGTH = 4_096

const classes = new Map<string, StatementClass>()

/** Returns the class of a statement. A text that was seen lately costs one look-up. */
export function classOf(text: string): StatementClass {
  const known = classes.get(text)
  if (known !== undefined) return known
  const found = classifyStatement(text)
  if (text.length > MAX_LENGTH) return found
  if (classes.size >= MAX_TEXTS) {
    for (const oldest of classes.keys()) {
      classes.delete(oldest)
      break
    }
  }
  classes.set(text, found)
  return found
}
