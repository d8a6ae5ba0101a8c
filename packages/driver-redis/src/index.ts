export { redisDriver } from './driver.ts'
export type { RedisConnection } from './driver.ts'
export type { RedisMethods } from './methods.ts'
