import { createForkSafePool } from '@forksafe/core'
import { redisDriver } from '@forksafe/driver-redis'

await using pool = createForkSafePool(redisDriver, { connection: process.env['REDIS_URL'] ?? '' })

await pool.rpush('jobs', 'mow the lawn') // a command of ioredis, on whichever connection is free
await pool.use((redis) => redis.blpop('jobs', 5)) // a connection of its own for what blocks
await pool.use(async (redis) => {
  await redis.watch('visits')
  const visits = Number(await redis.get('visits'))
  return redis // null, if somebody else wrote it meanwhile
    .multi()
    .set('visits', visits + 1)
    .exec()
})
