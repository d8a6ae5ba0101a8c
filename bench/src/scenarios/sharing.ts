import { startRecordingProxy } from '@forksafe/testkit'
import { Client } from 'pg'
import {
  type SharingArgument,
  type SharingPeer,
  sharingPeers,
  type SharingRequest,
} from '../jobs/sharing.ts'
import { CLIENTS_PROCESSOR } from './queries.ts'
import type { Row } from './result.ts'
import { sideBySide } from './side-by-side.ts'

type Request = Omit<SharingRequest, 'millis'>

/** Statements per second. */
const rates = {
  '1 caller': { callers: 1 },
  '10 callers': { callers: 10 },
  '100 callers': { callers: 100 },
  '1,000 callers': { callers: 1_000 },
  '100 callers, unnamed': { callers: 100, unnamed: true },
  '100 callers, 10 % writes': { callers: 100, writes: 0.1 },
  '100 callers, 50 % writes': { callers: 100, writes: 0.5 },
} as const satisfies Record<string, Request>

/** Latencies in ms. */
const latencies = {
  '100 callers, p50': { callers: 100, quantile: 0.5 },
  '100 callers, p99': { callers: 100, quantile: 0.99 },
  '100 callers, p99.9': { callers: 100, quantile: 0.999 },
  'fast beside slow, 3,000/s, p50': { quantile: 0.5 },
  'fast beside slow, 3,000/s, p99': { quantile: 0.99 },
  'fast beside slow, 3,000/s, p99.9': { quantile: 0.999 },
} as const satisfies Record<string, Request>

/** Statements per second with a network of 1 ms, there and back. */
const far = { '100 callers, 1 ms of network': { callers: 100 } } as const satisfies Record<
  string,
  Request
>

type Rows<N extends string> = Record<N, Record<SharingPeer, Row>>

/** Measures shared connections, compared with `pg.Pool`. */
export interface SharingResult {
  readonly rates: Rows<keyof typeof rates | keyof typeof far>
  readonly latencies: Rows<keyof typeof latencies>
}

export async function measureSharing(quick: boolean, url: string): Promise<SharingResult> {
  const client = new Client(url)
  await client.connect()
  await client.query('create unlogged table bench_sharing (id int primary key, n int)')
  await client.query('insert into bench_sharing select id, 0 from generate_series(0, 999) as id')
  try {
    const near = await measure(quick, url, rates)
    const waits = await measure(quick, url, latencies, quick ? 500 : 2_000)
    const server = new URL(url)
    await using proxy = await startRecordingProxy({
      host: server.hostname,
      port: Number(server.port),
    })
    await proxy.delay(0.5)
    server.hostname = proxy.host
    server.port = String(proxy.port)
    const away = await measure(quick, server.href, far)
    return { rates: { ...near, ...away }, latencies: waits }
  } finally {
    await client.query('drop table bench_sharing')
    await client.end()
  }
}

async function measure<N extends string>(
  quick: boolean,
  url: string,
  requests: Readonly<Record<N, Request>>,
  millis = quick ? 100 : 300,
): Promise<Rows<N>> {
  const questions = Object.entries<Request>(requests).map(
    ([name, request]): [string, SharingRequest] => [name, { ...request, millis }],
  )
  const rows = await sideBySide({
    job: 'sharing',
    peers: sharingPeers,
    base: 'pg.Pool',
    argument: (peers): SharingArgument => ({ peers: peers as readonly SharingPeer[], url }),
    together: true,
    questions: new Map(questions),
    warmUpMillis: quick ? 200 : 400,
    launches: quick ? 2 : 6,
    rounds: quick ? 3 : 5,
    processor: CLIENTS_PROCESSOR,
  })
  return rows as Rows<N>
}
