/** The columns of the table in `docs/process-changes.md`. */
export type Change = 'parent' | 'hooked' | 'unhooked' | 'snapshot' | 'restore' | 'thaw'
/** Its rows: what may be under way when the change comes. */
export type Moment =
  | 'unused'
  | 'idle'
  | 'lent'
  | 'transaction'
  | 'query'
  | 'connecting'
  | 'handshake'
  | 'authenticating'
  | 'validating'
  | 'resetting'
  | 'destroying'
  | 'waiting'
  | 'closing'
  | 'timers'
  | 'generation'
  | 'listeners'
  | 'next'
/** What happens then, or why it cannot come to that. */
export type Cell = { claim: string } | { never: string }

export const changes: Record<
  Change,
  { title: string; heading: string; notOn?: Record<string, string> }
>
export const moments: Record<Moment, string>
export const cells: Record<Change, Record<Moment, Cell>>
