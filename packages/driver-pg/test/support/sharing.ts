import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { onTestFinished } from 'vitest'
import { type PgConnection, pgDriverWith, type PgDriverOptions } from '../../src/index.ts'
import { connectionTo, type PgPool } from './pools.ts'

/** A pool whose statements share connections. It is closed when the test ends. */
export function openSharingPool({
  connection = connectionTo(),
  driver = {},
  ...options
}: Partial<PoolOptions<PgConnection>> & { driver?: PgDriverOptions } = {}): PgPool {
  const pool = createForkSafePool(pgDriverWith({ share: 'reads', ...driver }), {
    connection,
    ...options,
  })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}
