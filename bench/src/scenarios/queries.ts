import { queryPeers, type QueriesRequest, type QueryPeer } from '../jobs/queries.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

export const callerCounts = [1, 10, 100] as const
export type CallerCount = (typeof callerCounts)[number]

/** Queries a second, by callers; the ratio is to `pg.Pool`. */
export type QueriesResult = Record<CallerCount, Record<QueryPeer, Row>>

export async function measureQueries(url: string, quick: boolean): Promise<QueriesResult> {
  const millis = 100
  const questions = callerCounts.map((callers): [string, QueriesRequest] => [
    String(callers),
    { callers, millis },
  ])
  const result = await sideBySide({
    job: 'queries',
    peers: queryPeers,
    base: 'pg.Pool',
    argument: (peer) => ({ peer: peer as QueryPeer, url }),
    questions: new Map(questions),
    warmUpMillis: quick ? 200 : 500,
    launches: quick ? 1 : 2,
    rounds: quick ? 9 : 20,
  })
  return result as QueriesResult
}
