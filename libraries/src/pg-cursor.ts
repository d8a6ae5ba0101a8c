import { Pool } from '@forksafe/driver-pg'
import Cursor from 'pg-cursor'

export const pool = new Pool()

/** Sums up any number of rows, a thousand at a time. */
export async function sum(count: number): Promise<number> {
  const client = await pool.connect()
  try {
    const cursor = client.query(
      new Cursor<{ n: number }>('SELECT generate_series(1, $1) AS n', [count]),
    )
    let sum = 0
    for (let rows = await cursor.read(1_000); rows.length > 0; rows = await cursor.read(1_000)) {
      for (const { n } of rows) sum += n
    }
    return sum
  } finally {
    client.release()
  }
}
