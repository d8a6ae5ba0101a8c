import { coldStartPeers, type ColdStartPeer, type ColdStartRequest } from '../jobs/cold-start.ts'
import { CLIENTS_PROCESSOR } from './queries.ts'
import type { Row } from './result.ts'
import { measureSideBySide } from './side-by-side.ts'

export const coldStartCallers = [10, 100] as const

type Rows = Record<(typeof coldStartCallers)[number], Record<ColdStartPeer, Row>>

/** The milliseconds until each caller has its first answer. Contains the same measurements twice, compared with two peers. */
export interface ColdStartResult {
  readonly toPgPool: Rows
  readonly toUnlimited: Rows
}

export async function measureColdStart(quick: boolean, url: string): Promise<ColdStartResult> {
  const questions = coldStartCallers.map((callers): [string, ColdStartRequest] => [
    String(callers),
    { callers },
  ])
  const compare = await measureSideBySide({
    job: 'cold-start',
    peers: coldStartPeers,
    argument: (peers) => ({ peers: peers as readonly ColdStartPeer[], url }),
    together: true,
    questions: new Map(questions),
    launches: quick ? 1 : 10,
    rounds: quick ? 3 : 8,
    processor: CLIENTS_PROCESSOR,
  })
  return {
    toPgPool: compare('pg.Pool') as Rows,
    toUnlimited: compare('forksafe, no maxConnecting') as Rows,
  }
}
