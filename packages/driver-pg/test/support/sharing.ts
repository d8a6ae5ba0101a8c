import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { createRequire } from 'node:module'
import { beforeEach, onTestFinished } from 'vitest'
import { type PgConnection, pgDriverWith, type PgDriverOptions } from '../../src/index.ts'
import { connectionTo, type PgPool } from './pools.ts'

const { version } = createRequire(import.meta.url)('pg/package.json') as { version: string }

/** Why statements cannot share a connection: this pg is too old. */
export const noSharing: string | undefined =
  version.localeCompare('8.23.1', undefined, { numeric: true }) < 0 ? `pg is ${version}` : undefined

/** Skips a file's tests, with the reason, if statements cannot share a connection. */
export function needSharing(): void {
  beforeEach(({ skip }) => {
    if (noSharing !== undefined) skip(noSharing)
  })
}

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
