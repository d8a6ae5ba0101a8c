import type { TaskMeta } from 'vitest'
import { type Change, changes, type Moment, moments } from './table.ts'

export type { Change, Moment }

/** The meta of a test that proves cells. */
export interface ProofMeta {
  proves?: string[]
}

declare module 'vitest' {
  interface TaskMeta extends ProofMeta {}
}

/**
 * Options for a test that proves cells of the table of process changes: by change, the moments. A cell is proved if every
 * test that names it passes, and there is one, on each line of Node.
 */
export function proves(claimed: Partial<Record<Change, Moment[]>>): {
  meta: TaskMeta & ProofMeta
} {
  const cells = Object.entries(claimed).flatMap(([change, at]) =>
    at.map((moment) => `${change}/${moment}`),
  )
  for (const cell of cells) {
    const [change = '', moment = ''] = cell.split('/')
    if (Object.hasOwn(changes, change) && Object.hasOwn(moments, moment)) continue
    throw new Error(`Expected a cell of scripts/proof/table.ts, got \`${cell}\``)
  }
  return { meta: { proves: cells } }
}
