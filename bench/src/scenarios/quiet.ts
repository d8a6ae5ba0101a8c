import { startRecordingProxy } from '@forksafe/testkit'
import { quietPeers, type QuietPeer } from '../jobs/quiet.ts'
import { CLIENTS_PROCESSOR } from './queries.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

/** The delay in each direction. A round trip takes twice as long. */
const DELAY_MILLIS = 10

/** The milliseconds until the answer, with the ratio to `pg.Pool`. */
export type QuietResult = Record<QuietPeer, Row>

/** Measures single queries, with pauses between them, on a server that is 20 ms away. */
export async function measureQuiet(quick: boolean, url: string): Promise<QuietResult> {
  const server = new URL(url)
  await using proxy = await startRecordingProxy({
    host: server.hostname,
    port: Number(server.port),
  })
  await proxy.delay(DELAY_MILLIS)
  server.hostname = proxy.host
  server.port = String(proxy.port)
  const { query } = await sideBySide({
    job: 'quiet',
    peers: quietPeers,
    base: 'pg.Pool',
    argument: (peers) => ({ peers: peers as readonly QuietPeer[], url: server.href }),
    together: true,
    questions: new Map([['query', {}]]),
    launches: quick ? 1 : 10,
    rounds: quick ? 3 : 9,
    processor: CLIENTS_PROCESSOR,
  })
  return query as QuietResult
}
