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
 * Returns the options of a test that proves cells of the table of process changes: moments by change. A cell is proved if it has
 * a test on each line of Node, and all its tests pass.
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
