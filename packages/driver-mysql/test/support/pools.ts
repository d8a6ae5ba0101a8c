import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ConnectionOptions,
  createConnection,
  type QueryResult,
  type RowDataPacket,
} from 'mysql2/promise'
import { inject, onTestFinished } from 'vitest'
import { type MysqlConnection, mysqlDriver, type MysqlPool } from '../../src/index.ts'

export type Transport = 'plain' | 'Unix socket' | 'TLS'

const server = inject('mariadb')

/** Every way to the server that there is. */
export const transports: Transport[] = [
  'plain',
  ...(server.socketPath === undefined ? [] : (['Unix socket'] as const)),
  ...(server.ca === undefined ? [] : (['TLS'] as const)),
]

/** Where a proxy listens. */
type Proxied = Pick<RecordingProxy, 'port' | 'path'>

/** How to reach the shared server, directly or through a proxy in front of it. */
export function connectionTo({
  transport = 'plain',
  proxy,
}: { transport?: Transport; proxy?: Proxied } = {}): ConnectionOptions {
  const { host, port, socketPath, user, password, database, ca } = server
  return {
    user,
    database,
    ...(password === undefined ? {} : { password }),
    ...(transport === 'Unix socket' && socketPath !== undefined
      ? { socketPath: proxy?.path ?? socketPath }
      : { host, port: proxy?.port ?? port }),
    ...(transport === 'TLS' && ca !== undefined ? { ssl: { ca, verifyIdentity: true } } : {}),
  }
}

/** Where the server listens for that transport. */
export function targetOf(transport: Transport): { host: string; port: number } | { path: string } {
  const { host, port, socketPath } = server
  return transport === 'Unix socket' && socketPath !== undefined
    ? { path: socketPath }
    : { host, port }
}

/** A recording proxy that is reached by that transport, and reaches the server by it. */
export async function startProxy(
  transport: Transport,
): Promise<{ proxy: RecordingProxy; stop: () => Promise<void> }> {
  const target = targetOf(transport)
  if (!('path' in target)) {
    const proxy = await startRecordingProxy(target)
    return { proxy, stop: () => proxy.stop() }
  }
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const proxy = await startRecordingProxy(target, { path: join(folder, 'sock') })
  const stop = async (): Promise<void> => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { proxy, stop }
}

/** A pool that is closed when the test ends. */
export function openPool(
  connection: PoolOptions<MysqlConnection>['connection'] = connectionTo(),
  options: Omit<PoolOptions<MysqlConnection>, 'connection'> = {},
  driver = mysqlDriver,
): MysqlPool {
  const pool = createForkSafePool(driver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** A pool whose connections pass through a recording proxy. */
export async function openRecordedPool(
  transport: Transport,
  options: Omit<PoolOptions<MysqlConnection>, 'connection'> = {},
): Promise<{ pool: MysqlPool; proxy: RecordingProxy }> {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  return { pool: openPool(connectionTo({ transport, proxy }), options), proxy }
}

interface Asked {
  query(sql: string): Promise<[QueryResult, ...unknown[]]>
}

/** The first row of the answer. */
export async function rowOf<T = Record<string, unknown>>(on: Asked, sql: string): Promise<T> {
  const [rows] = await on.query(sql)
  return { ...(rows as RowDataPacket[])[0] } as T
}

/** The server's number of the session behind a client, or behind whichever client the pool takes. */
export async function sessionId(on: Asked): Promise<number> {
  return (await rowOf<{ id: number }>(on, 'SELECT CONNECTION_ID() AS id')).id
}

/** Opens `count` connections, leaves them idle, and tells the server's number of each, in order. */
export async function fill(pool: MysqlPool, count: number): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  const ids = await Promise.all(leases.map(({ resource }) => sessionId(resource)))
  for (const lease of leases) lease.release()
  return ids.sort((a, b) => a - b)
}

/** Asks the server as somebody else would. */
export async function observe<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  const connection = await createConnection(connectionTo())
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql, values)
    return rows as T[]
  } finally {
    await connection.end()
  }
}

/** Which of these sessions the server still has. */
export async function sessionsAlive(ids: number[]): Promise<number[]> {
  const rows = await observe<{ id: number }>(
    'SELECT id FROM information_schema.processlist WHERE id IN (?) ORDER BY id',
    [ids],
  )
  return rows.map(({ id }) => id)
}

/** How many statements with that in them run on the server now, other than this question. */
export async function running(text: string): Promise<number> {
  const rows = await observe(
    "SELECT 1 FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND info LIKE ? AND id <> CONNECTION_ID()",
    [`%${text}%`],
  )
  return rows.length
}

/** A table that goes with the test. */
export async function table(name: string, columns = 'n int'): Promise<string> {
  await observe(`CREATE TABLE ${name} (${columns}) ENGINE = InnoDB`)
  onTestFinished(() => observe(`DROP TABLE ${name}`).then(() => undefined))
  return name
}
