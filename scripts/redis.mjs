// @ts-check
export { startRedis } from './servers/redis.mjs'
