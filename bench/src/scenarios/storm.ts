import { priorityOrders, type PriorityOrder } from '../jobs/priorities.ts'
import { type StormKind, storms } from '../peers/storms.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

export interface StormResult {
  /** The milliseconds for which the event loop was blocked, with the ratio to core. */
  readonly blocked: Record<StormKind, Record<string, Row>>
  /** The nanoseconds for each of 40,000 waits, with the ratio to waits with one priority. */
  readonly priorities: Record<PriorityOrder, Row>
}

export const stormTitles: Record<StormKind, string> = {
  timeout: '10,000 callers time out together: the longest block',
  close: '10,000 callers are rejected by a close: the longest block',
  createError: '10,000 callers are rejected by a create error: the longest block',
}

export const stormKinds = Object.keys(stormTitles) as StormKind[]

export async function measureStorm(quick: boolean): Promise<StormResult> {
  return {
    blocked: {
      timeout: await measureBlocked('timeout', quick),
      close: await measureBlocked('close', quick),
      createError: await measureBlocked('createError', quick),
    },
    priorities: await measurePriorities(quick),
  }
}

async function measureBlocked(kind: StormKind, quick: boolean): Promise<Record<string, Row>> {
  const { storm = {} } = await sideBySide({
    job: 'storm',
    peers: Object.keys(storms[kind]),
    base: 'core',
    argument: ([peer = '']) => ({ kind, peer }),
    questions: new Map([['storm', {}]]),
    launches: quick ? 1 : 10,
    rounds: quick ? 1 : 2,
  })
  return storm
}

async function measurePriorities(quick: boolean): Promise<StormResult['priorities']> {
  const { waits } = await sideBySide({
    job: 'priorities',
    peers: priorityOrders,
    base: 'one priority',
    argument: () => null,
    together: true,
    questions: new Map([['waits', {}]]),
    launches: quick ? 1 : 10,
    rounds: quick ? 3 : 5,
  })
  return waits as StormResult['priorities']
}
