import { type RedisOptions, type RedisServer, startRedis } from '@forksafe/scripts/redis'
import { onTestFinished } from 'vitest'
import type { Options } from './pools.ts'

/** Starts a server that a test may break. */
export async function startOwnServer(
  options: RedisOptions = {},
): Promise<{ server: RedisServer; connection: Options }> {
  const server = await startRedis({ own: true, tls: false, ...options })
  onTestFinished(() => server.stop())
  const { host, port, password } = server
  return { server, connection: { host, port, ...(password === undefined ? {} : { password }) } }
}
