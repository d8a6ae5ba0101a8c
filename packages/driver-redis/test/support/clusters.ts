import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { type RedisCluster, type RedisServer, startRedisCluster } from '@forksafe/scripts/redis'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import type { Cluster } from 'ioredis'
import { onTestFinished } from 'vitest'
import {
  type RedisClusterConnection,
  redisClusterDriver,
  type RedisClusterPool,
} from '../../src/index.ts'
import { addressOf, instead } from './sentinels.ts'

/** Opens a pool, and closes it when the test ends. */
export function openClusterPool(
  connection: RedisClusterConnection,
  options: Omit<PoolOptions<RedisClusterConnection>, 'connection'> = {},
): RedisClusterPool {
  const pool = createForkSafePool(redisClusterDriver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** Starts a cluster that a test may break. */
export async function startOwnCluster() {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  return { ...cluster, connection: { nodes: cluster.masters.map(addressOf) } }
}

/** A cluster with a recording proxy in front of each node. */
export class RecordedCluster {
  readonly #ways: readonly { node: RedisServer; plain: RecordingProxy; secure: RecordingProxy }[]
  readonly cluster: RedisCluster

  private constructor(
    cluster: RedisCluster,
    ways: { node: RedisServer; plain: RecordingProxy; secure: RecordingProxy }[],
  ) {
    this.cluster = cluster
    this.#ways = ways
  }

  static async start(): Promise<RecordedCluster> {
    const cluster = await startRedisCluster({ tls: true })
    const ways = [...cluster.masters, cluster.replica].map(async (node) => ({
      node,
      plain: await startRecordingProxy(addressOf(node)),
      secure: await startRecordingProxy({ host: node.host, port: node.tlsPort ?? 0 }),
    }))
    return new RecordedCluster(cluster, await Promise.all(ways))
  }

  /** Returns the options to connect through the proxies. */
  connection(transport: 'plain' | 'TLS'): RedisClusterConnection {
    const through = this.proxies(transport)
    const maps = this.#ways.map(({ node }, n) => instead(node, through[n] ?? node))
    const ca = this.cluster.replica.ca ?? ''
    return {
      nodes: through.slice(0, 1).map(addressOf),
      natMap: Object.assign({}, ...maps) as Record<string, { host: string; port: number }>,
      ...(transport === 'TLS' ? { redisOptions: { tls: { ca } } } : {}),
    }
  }

  proxies(transport: 'plain' | 'TLS'): RecordingProxy[] {
    return this.#ways.map(({ plain, secure }) => (transport === 'TLS' ? secure : plain))
  }

  async stop(): Promise<void> {
    const proxies = this.#ways.flatMap(({ plain, secure }) => [plain, secure])
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await this.cluster.stop()
  }
}

/** Returns the servers' ids of the connections to the masters. */
export async function idsOf(cluster: Cluster): Promise<string[]> {
  const ids = await Promise.all(
    cluster.nodes('master').map(async (node) => `${node.options.port}:${await node.client('ID')}`),
  )
  return ids.sort()
}
