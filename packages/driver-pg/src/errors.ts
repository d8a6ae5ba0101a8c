/** Of data, constraints, conflicts, syntax, and of PL/pgSQL: never what ends a session. */
const OF_STATEMENTS = /^(?:22|23|40|42|P0)/

/**
 * Whether the server refused a statement and waits for the next one. A server that speaks another language than English
 * says something else than `ERROR`.
 */
export function isOfStatement(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { severity, code } = error as { readonly severity?: unknown; readonly code?: unknown }
  return severity === 'ERROR' || (typeof severity === 'string' && OF_STATEMENTS.test(String(code)))
}
