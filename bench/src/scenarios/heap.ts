import type { HeapRequest } from '../jobs/heap.ts'
import { type PoolName, poolNames } from '../peers/names.ts'
import { spread } from '../measure/statistics.ts'
import { Worker } from '../measure/worker.ts'

/** The bytes, or the reason why there are none. */
export type HeapRow = Record<HeapRequest, number> | { readonly skipped: string }

export type HeapResult = Partial<Record<PoolName, HeapRow>>

export async function measureHeap(quick: boolean): Promise<HeapResult> {
  const rows: HeapResult = {}
  for (const peer of poolNames) {
    if (peer === 'floor') continue
    rows[peer] = await measurePeer(peer, quick ? 1 : 3)
  }
  return rows
}

/** Measures each number in a new process, because a heap does not shrink to its initial state. */
async function measurePeer(peer: PoolName, times: number): Promise<HeapRow> {
  const bytes: Record<HeapRequest, number[]> = { pool: [], resource: [] }
  for (let time = 0; time < times; time++) {
    for (const request of ['pool', 'resource'] as const) {
      const worker = await Worker.start('heap', { peer }, ['--expose-gc'])
      if (typeof worker === 'string') return { skipped: worker }
      try {
        bytes[request].push(await worker.ask(request))
        await worker.finish()
      } finally {
        worker.kill()
      }
    }
  }
  return { pool: spread(bytes.pool).median, resource: spread(bytes.resource).median }
}
