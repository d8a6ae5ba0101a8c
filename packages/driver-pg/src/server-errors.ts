/** Errors of data, constraints, conflicts, syntax and PL/pgSQL. They never end a session. */
const STATEMENT_ERRORS = /^(?:22|23|40|42|P0)/

/**
 * Whether the server refused a statement and waits for the next one. A server with another language than English reports
 * another word than `ERROR`.
 */
export function isStatementError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { severity, code } = error as { readonly severity?: unknown; readonly code?: unknown }
  return (
    severity === 'ERROR' || (typeof severity === 'string' && STATEMENT_ERRORS.test(String(code)))
  )
}
