import { queryPeers, type QueriesRequest, type QueryPeer } from '../jobs/queries.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

export const callerCounts = [1, 10, 100] as const
export type CallerCount = (typeof callerCounts)[number]

/** The processors of the server and the clients. Separate ones, so that they do not compete for one. */
export const SERVERS_PROCESSOR = 1
export const CLIENTS_PROCESSOR = 0

/** Measures queries per second by number of callers, compared with `pg.Pool`. Without a `url`, clients need no server. */
export type QueriesResult = Record<CallerCount, Record<QueryPeer, Row>>

export async function measureQueries(quick: boolean, url?: string): Promise<QueriesResult> {
  const millis = url === undefined ? 20 : 100
  const questions = callerCounts.map((callers): [string, QueriesRequest] => [
    String(callers),
    { callers, millis },
  ])
  const result = await sideBySide({
    job: 'queries',
    peers: queryPeers,
    base: 'pg.Pool',
    argument: (peers) => ({
      peers: peers as readonly QueryPeer[],
      ...(url === undefined ? {} : { url }),
    }),
    // Nearly all the code that runs is pg's, and V8 does not compile it in the same way in each process.
    together: true,
    questions: new Map(questions),
    warmUpMillis: quick ? 200 : 400,
    launches: quick ? 2 : 10,
    rounds: quick ? 5 : 6,
    processor: CLIENTS_PROCESSOR,
  })
  return result as QueriesResult
}
