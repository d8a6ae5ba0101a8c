// @ts-check
export { startRedis } from './servers/redis.mjs'
export { startRedisCluster } from './servers/redis-cluster.mjs'
export { startSentinel } from './servers/redis-sentinel.mjs'
