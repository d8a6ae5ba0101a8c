import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client, type ClientConfig } from 'pg'
import { inject, onTestFinished } from 'vitest'
import { type PgConnection, pgDriver, type PgPool } from '../../src/index.ts'

export type { PgPool }
export type Transport = 'plain' | 'Unix socket' | 'TLS' | 'TLS 1.2' | 'TLS 1.3'

const server = inject('server')
/** Who has to show a password to log in, if there is such a role. */
export const { role } = server
const socketName = `.s.PGSQL.${server.port}`

/** Where a proxy is put in front of. */
export const target = { host: server.host, port: server.port }

/** Both, where the server that was found speaks TLS. */
export const transports: Transport[] = server.ca === undefined ? ['plain'] : ['plain', 'TLS']

/** Every way to the server that there is. */
export const everyTransport: Transport[] = [
  'plain',
  ...(server.socketDir === undefined ? [] : (['Unix socket'] as const)),
  ...(server.ca === undefined ? [] : (['TLS 1.2', 'TLS 1.3'] as const)),
]

/** Where a proxy listens. */
type Proxied = Pick<RecordingProxy, 'port' | 'path'>

/** How to reach the shared server, directly or through a proxy in front of it. */
export function connectionTo({
  transport = 'plain',
  proxy,
}: { transport?: Transport; proxy?: Proxied } = {}): ClientConfig {
  const { user, password, database } = server
  return {
    ...(transport === 'Unix socket' ? folderOf(proxy) : portOf(proxy)),
    user,
    database,
    ...(password === undefined ? {} : { password }),
    ...tlsOf(transport),
  }
}

/** For pg a Unix socket is a folder, and the port is part of the file's name. */
function folderOf(proxy: Proxied | undefined): ClientConfig {
  const folder = proxy?.path === undefined ? server.socketDir : dirname(proxy.path)
  if (folder === undefined) throw new Error('This server has no Unix socket to be reached by.')
  return { host: folder, port: server.port }
}

function portOf(proxy: Proxied | undefined): ClientConfig {
  return { host: server.host, port: proxy?.port ?? server.port }
}

function tlsOf(transport: Transport): ClientConfig {
  const { ca } = server
  if (!transport.startsWith('TLS') || ca === undefined) return {}
  if (transport === 'TLS') return { ssl: { ca } }
  const version = transport === 'TLS 1.2' ? 'TLSv1.2' : 'TLSv1.3'
  return { ssl: { ca, minVersion: version, maxVersion: version } }
}

/** A recording proxy that is reached by that transport, and reaches the server by it. */
export async function startProxy(
  transport: Transport,
): Promise<{ proxy: RecordingProxy; stop: () => Promise<void> }> {
  if (transport !== 'Unix socket') {
    const proxy = await startRecordingProxy(target)
    return { proxy, stop: () => proxy.stop() }
  }
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const behind = { path: join(String(folderOf(undefined).host), socketName) }
  const proxy = await startRecordingProxy(behind, { path: join(folder, socketName) })
  const stop = async (): Promise<void> => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { proxy, stop }
}

/** A pool that is closed when the test ends. */
export function openPool(
  connection: PoolOptions<PgConnection>['connection'],
  options: Omit<PoolOptions<PgConnection>, 'connection'> = {},
): PgPool {
  const pool = createForkSafePool(pgDriver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** A pool whose connections pass through a recording proxy. */
export async function openRecordedPool(
  transport: Transport,
  options: Omit<PoolOptions<PgConnection>, 'connection'> = {},
): Promise<{ pool: PgPool; proxy: RecordingProxy }> {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  return { pool: openPool(connectionTo({ transport, proxy }), options), proxy }
}

/** The server's pid of the session behind a client, or behind whichever client the pool takes. */
export async function backendPid(on: PgPool | Client): Promise<number> {
  const text = 'SELECT pg_backend_pid() AS pid'
  const { rows } = await (on instanceof Client ? on.query(text) : on.query(text))
  return (rows as [{ pid: number }])[0].pid
}

/** Opens `count` connections, leaves them idle, and tells the server's pid of each, in order of number. */
export async function fill(pool: PgPool, count: number): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  const pids = await Promise.all(leases.map(({ resource }) => backendPid(resource)))
  for (const lease of leases) lease.release()
  return pids.sort((a, b) => a - b)
}

/** Asks the server as somebody else would. */
export async function observe<T extends object>(
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new Client(connectionTo())
  await client.connect()
  try {
    return (await client.query<T>(text, values)).rows
  } finally {
    await client.end()
  }
}

/** Which of these sessions the server still has. */
export async function sessionsAlive(pids: number[]): Promise<number[]> {
  const rows = await observe<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE pid = ANY($1) ORDER BY pid',
    [pids],
  )
  return rows.map(({ pid }) => pid)
}
