export { startRedis } from './redis.ts'
export type { RedisOptions, RedisServer } from './redis.ts'
export { type ClusterOptions, type RedisCluster, startRedisCluster } from './cluster.ts'
export { type Sentinel, type SentinelOptions, startSentinel } from './sentinel.ts'
