import {
  type RedisServer,
  type Sentinel,
  type SentinelOptions,
  startSentinel,
} from '@forksafe/scripts/redis'
import { onTestFinished } from 'vitest'
import type { RedisConnection } from '../../src/index.ts'

/** As an object, for the server that sentinels name. */
export type Sentinelled = Extract<RedisConnection, { sentinels: unknown }>

/** How to reach a server whose sentinels are these. */
export function throughSentinel({ name, sentinels }: Sentinel): Sentinelled {
  return { name, sentinels: sentinels.map(addressOf) }
}

/** A master that a test may break, its replica, their sentinels, and how to reach them. */
export async function startOwnSentinel(options: SentinelOptions = {}) {
  const servers = await startSentinel(options)
  onTestFinished(() => servers.stop())
  return { ...servers, connection: throughSentinel(servers) }
}

export function addressOf({ host, port }: Pick<RedisServer, 'host' | 'port'>) {
  return { host, port }
}

/** For ioredis's `natMap`: where to go instead. */
export function instead(
  { host, port }: Pick<RedisServer, 'host' | 'port'>,
  other: Pick<RedisServer, 'host' | 'port'>,
) {
  return { [`${host}:${port}`]: addressOf(other) }
}
