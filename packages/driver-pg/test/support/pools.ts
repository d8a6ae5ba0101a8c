import { createForkSafePool, type ForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { Client, type ClientConfig } from 'pg'
import { inject, onTestFinished } from 'vitest'
import { type PgConnection, pgDriver, type PgMethods } from '../../src/index.ts'

export type PgPool = ForkSafePool<Client> & PgMethods
export type Transport = 'plain' | 'TLS'

const server = inject('server')

/** Where a proxy is put in front of. */
export const target = { host: server.host, port: server.port }

/** Both, where the server that was found speaks TLS. */
export const transports: Transport[] = server.ca === undefined ? ['plain'] : ['plain', 'TLS']

/** How to reach the shared server, directly or through a proxy in front of it. */
export function connectionTo({
  transport = 'plain',
  proxy,
}: { transport?: Transport; proxy?: RecordingProxy } = {}): ClientConfig {
  const { host, port, user, password, database, ca } = server
  return {
    host,
    port: proxy?.port ?? port,
    user,
    database,
    ...(password === undefined ? {} : { password }),
    ...(transport === 'TLS' && ca !== undefined ? { ssl: { ca } } : {}),
  }
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
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
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
