import type { QueryConfig } from 'pg'
import type { ShareMode } from './share-mode.ts'
import { classOf } from './statement-classes.ts'

/** A statement that may share a connection. */
export interface ShareableStatement {
  readonly text: string
  readonly values: readonly unknown[] | undefined
  /** Nothing is sent behind it until it is answered. */
  readonly seal: boolean
  /** The other properties of its config. */
  readonly config: Partial<QueryConfig> | undefined
}

/** Options of a config under which a query needs the connection to itself. */
const EXCLUSIVE = ['rows', 'portal', 'query_timeout', 'submit', 'callback']
/** The properties of a config that pg reads otherwise. */
const COPIED = ['name', 'types', 'rowMode', 'binary', 'queryMode']

/**
 * Returns a copy of a query if it may share a connection. A copy, because the caller could change the text of the config while the query
 * waits.
 */
export function shareableOf(
  query: unknown,
  values: unknown,
  mode: ShareMode,
): ShareableStatement | undefined {
  const given = query as Record<string, unknown> | string | null | undefined
  const isText = typeof given === 'string'
  if (!isText && (typeof given !== 'object' || given === null)) return undefined
  const text = isText ? given : given['text']
  if (typeof text !== 'string') return undefined
  const kind = classOf(text)
  if (kind === 'exclusive') return undefined
  const all = values || (isText ? undefined : given['values'])
  if (all !== undefined && all !== null && !Array.isArray(all)) return undefined
  const config = isText ? undefined : copyOf(given)
  if (config === null) return undefined
  const seal = kind === 'sealed' && mode === 'reads'
  return { text, values: (all ?? undefined) as unknown[] | undefined, seal, config }
}

/** Returns `null` for a query that needs the connection to itself. */
function copyOf(given: Record<string, unknown>): Partial<QueryConfig> | undefined | null {
  if (given['share'] === false) return null
  for (const option of EXCLUSIVE) if (given[option]) return null
  const { name } = given
  if (name && (typeof name !== 'string' || name.includes('\0'))) return null
  let copy: Record<string, unknown> | undefined
  for (const option of COPIED) {
    if (given[option] !== undefined) (copy ??= {})[option] = given[option]
  }
  return copy
}
