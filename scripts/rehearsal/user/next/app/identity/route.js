import { createForkSafePool, PoolClosedError } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

export const dynamic = 'force-dynamic'

export async function GET() {
  const pool = createForkSafePool(pgDriver, { connection: 'postgres://127.0.0.1:1/none' })
  const { identity } = pool.stats
  await pool.close()
  const error = await pool.acquire().catch((error) => error)
  return Response.json({ identity, closed: error instanceof PoolClosedError })
}
