// #region pool
import { createForkSafePool } from '@forksafe/core'
import { redisDriver } from '@forksafe/driver-redis'

export const pool = createForkSafePool(redisDriver, {
  connection: process.env.REDIS_URL ?? 'redis://localhost',
  max: 10,
})
// #endregion

// #region command
await pool.set('greeting', 'hello', 'EX', 60)
console.log(await pool.get('greeting')) // 'hello'
await pool.rpush('jobs', 'mow the lawn')
// #endregion

// #region blocking
const job = await pool.use((redis) => redis.blpop('jobs', 5))
console.log(job) // ['jobs', 'mow the lawn']
// #endregion

// #region watch
const written = await pool.use(async (redis) => {
  await redis.watch('visits')
  const visits = Number(await redis.get('visits'))
  return redis
    .multi()
    .set('visits', visits + 1)
    .exec()
})
console.log(written) // [[null, 'OK']], or null if another client wrote it meanwhile
// #endregion
