import type { Change, Moment } from './proof/table.d.mts'

export type { Change, Moment }

/**
 * Options for a test that proves cells of the table in `docs/process-changes.md`: by change, the moments.
 * A cell is proved when every test that names it passes, and one does, on each line of Node.
 */
export function proves(claimed: Partial<Record<Change, Moment[]>>): {
  meta: { proves: string[] }
}

declare module 'vitest' {
  interface TaskMeta {
    proves?: string[]
  }
}
