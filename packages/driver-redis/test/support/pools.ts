import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { Redis } from 'ioredis'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { type RedisConnection, redisDriver, type RedisPool } from '../../src/index.ts'

export type Transport = 'plain' | 'Unix socket' | 'TLS'
/** As an object, for one server: what tests change of it. */
export type Options = Exclude<RedisConnection, string | { sentinels: unknown }>

const server = inject('redis')

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
}: { transport?: Transport; proxy?: Proxied } = {}): Options {
  const { username, password } = server
  return {
    ...addressOf(transport, proxy),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(transport === 'TLS' && server.ca !== undefined ? { tls: { ca: server.ca } } : {}),
  }
}

function addressOf(transport: Transport, proxy: Proxied | undefined): Options {
  const target = targetOf(transport)
  if ('path' in target) return { path: proxy?.path ?? target.path }
  return { host: target.host, port: proxy?.port ?? target.port }
}

export function targetOf(transport: Transport): { host: string; port: number } | { path: string } {
  if (transport === 'Unix socket' && server.socketPath !== undefined) {
    return { path: server.socketPath }
  }
  return { host: server.host, port: (transport === 'TLS' && server.tlsPort) || server.port }
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
  const proxy = await startRecordingProxy(target, { path: join(folder, 'redis.sock') })
  const stop = async (): Promise<void> => {
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { proxy, stop }
}

/** A pool that is closed when the test ends. */
export function openPool(
  connection: PoolOptions<RedisConnection>['connection'],
  options: Omit<PoolOptions<RedisConnection>, 'connection'> = {},
): RedisPool {
  const pool = createForkSafePool(redisDriver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** A pool whose connections pass through a recording proxy. */
export async function openRecordedPool(
  transport: Transport,
  options: Omit<PoolOptions<RedisConnection>, 'connection'> = {},
  login: Options = {},
): Promise<{ pool: RedisPool; proxy: RecordingProxy }> {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  return { pool: openPool({ ...connectionTo({ transport, proxy }), ...login }, options), proxy }
}

/** The server's number of the connection behind a client, or behind whichever client the pool takes. */
export async function idOf(on: RedisPool | Redis): Promise<number> {
  return on instanceof Redis ? on.client('ID') : on.use((client) => client.client('ID'))
}

/** Opens `count` connections, leaves them idle, and tells the server's number of each, in order. */
export async function fill(pool: RedisPool, count: number): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  const ids = await Promise.all(leases.map(({ resource }) => idOf(resource)))
  for (const lease of leases) lease.release()
  return ids.sort((a, b) => a - b)
}

/** Asks the server as somebody else would. */
export async function observe<T>(
  ask: (redis: Redis) => Promise<T>,
  to: Options = connectionTo(),
): Promise<T> {
  const redis = new Redis(to)
  try {
    return await ask(redis)
  } finally {
    redis.disconnect()
  }
}

/** The server's word on a connection, or `undefined` when there is none. */
export async function seenByServer(id: number): Promise<Record<string, string> | undefined> {
  const line = String(await observe((redis) => redis.client('LIST', 'ID', id))).trim()
  if (line === '') return undefined
  return Object.fromEntries(
    line.split(' ').map((word) => {
      const [name = '', ...value] = word.split('=')
      return [name, value.join('=')]
    }),
  )
}
