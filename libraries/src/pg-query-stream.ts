import { Pool } from '@forksafe/driver-pg'
import QueryStream from 'pg-query-stream'

export const pool = new Pool()

/** Sums up any number of rows as they arrive. */
export async function sum(count: number): Promise<number> {
  const client = await pool.connect()
  try {
    const stream = client.query(new QueryStream('SELECT generate_series(1, $1) AS n', [count]))
    let sum = 0
    for await (const { n } of stream as AsyncIterable<{ n: number }>) sum += n
    return sum
  } finally {
    client.release()
  }
}
