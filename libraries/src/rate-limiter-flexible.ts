import { Pool } from '@forksafe/driver-pg'
import { RateLimiterPostgres } from 'rate-limiter-flexible'

export const pool = new Pool()
export const limiter = await new Promise<RateLimiterPostgres>((resolve, reject) => {
  const limiter = new RateLimiterPostgres(
    { storeClient: pool, tableName: 'rate_limits', points: 3, duration: 60 },
    (error?: Error) => (error ? reject(error) : resolve(limiter)),
  )
})
