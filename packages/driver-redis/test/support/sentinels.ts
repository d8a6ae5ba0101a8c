import {
  type RedisServer,
  type Sentinel,
  type SentinelOptions,
  startSentinel,
} from '@forksafe/scripts/redis'
import { onTestFinished } from 'vitest'
import type { RedisConnection } from '../../src/index.ts'

/** The `connection` option for the server that sentinels name. */
export type Sentinelled = Extract<RedisConnection, { sentinels: unknown }>

/** Returns the options to connect through sentinels. */
export function throughSentinel({ name, sentinels }: Sentinel): Sentinelled {
  return { name, sentinels: sentinels.map(addressOf) }
}

/** Starts a master that a test may break, with a replica and sentinels. */
export async function startOwnSentinel(options: SentinelOptions = {}) {
  const servers = await startSentinel(options)
  onTestFinished(() => servers.stop())
  return { ...servers, connection: throughSentinel(servers) }
}

export function addressOf({ host, port }: Pick<RedisServer, 'host' | 'port'>) {
  return { host, port }
}

/** Returns an entry of ioredis's `natMap` that replaces one address by another. */
export function instead(
  { host, port }: Pick<RedisServer, 'host' | 'port'>,
  other: Pick<RedisServer, 'host' | 'port'>,
) {
  return { [`${host}:${port}`]: addressOf(other) }
}
