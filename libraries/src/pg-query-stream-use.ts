import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import QueryStream from 'pg-query-stream'

export const pool = createForkSafePool(pgDriver, { connection: {} })

/** Sums up any number of rows as they arrive. */
export function sum(count: number): Promise<number> {
  return pool.use(async (client) => {
    const stream = client.query(new QueryStream('SELECT generate_series(1, $1) AS n', [count]))
    let sum = 0
    for await (const { n } of stream as AsyncIterable<{ n: number }>) sum += n
    return sum
  })
}
