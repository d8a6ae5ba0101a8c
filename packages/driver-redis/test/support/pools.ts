import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { Redis } from 'ioredis'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { type RedisConnection, redisDriver, type RedisPool } from '../../src/index.ts'

export type Transport = 'plain' | 'Unix socket' | 'TLS'
/** The `connection` option as an object, for one server. */
export type Options = Exclude<RedisConnection, string | URL | { sentinels: unknown }>

const server = inject('redis')

/** All transports that the server supports. */
export const transports: Transport[] = [
  'plain',
  ...(server.socketPath === undefined ? [] : (['Unix socket'] as const)),
  ...(server.ca === undefined ? [] : (['TLS'] as const)),
]

/** The address of a proxy. */
type Proxied = Pick<RecordingProxy, 'port' | 'path'>

/** Returns the options to connect to the shared server, directly or through a proxy. */
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

/** Starts a recording proxy in front of the server, for one transport. */
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

/** Opens a pool, and closes it when the test ends. */
export function openPool(
  connection: PoolOptions<RedisConnection>['connection'],
  options: Omit<PoolOptions<RedisConnection>, 'connection'> = {},
): RedisPool {
  const pool = createForkSafePool(redisDriver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** Opens a pool whose connections pass through a recording proxy. */
export async function openRecordedPool(
  transport: Transport,
  options: Omit<PoolOptions<RedisConnection>, 'connection'> = {},
  login: Options = {},
): Promise<{ pool: RedisPool; proxy: RecordingProxy }> {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  return { pool: openPool({ ...connectionTo({ transport, proxy }), ...login }, options), proxy }
}

/** Returns the server's id of a client's connection, or of one that the pool lends. */
export async function idOf(on: RedisPool | Redis): Promise<number> {
  return on instanceof Redis ? on.client('ID') : on.use((client) => client.client('ID'))
}

/** Opens `count` connections, leaves them idle, and returns their ids in ascending order. */
export async function fill(pool: RedisPool, count: number): Promise<number[]> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  const ids = await Promise.all(leases.map(({ resource }) => idOf(resource)))
  for (const lease of leases) lease.release()
  return ids.sort((a, b) => a - b)
}

/** Runs commands on a connection outside of the pool. */
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

/** Returns the server's description of a connection, or `undefined` if it does not exist. */
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
