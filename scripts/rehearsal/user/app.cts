// A typical user program in a CommonJS file. It is compiled by each TypeScript, but never run.
import { createForkSafePool, defineDriver, PoolError, type ForkSafePool } from '@forksafe/core'
import { createPool } from '@forksafe/core/generic-pool'
import { onAbort } from '@forksafe/core'
import { checkOptions } from '@forksafe/core/methods'
import { mysqlDriver } from '@forksafe/driver-mysql'
import { pgDriver, Pool } from '@forksafe/driver-pg'
import { redisDriver } from '@forksafe/driver-redis'
import { CommitUnknownError } from '@forksafe/sql'
import { fork } from '@forksafe/testkit'
import core = require('@forksafe/core')

export const dropIn: InstanceType<typeof Pool> = new Pool({ max: 3 })
export const generic: number = createPool(
  { create: () => Promise.resolve({}), destroy: () => Promise.resolve() },
  { max: 3 },
).size

export async function main(): Promise<(string | null)[]> {
  const pg = createForkSafePool(pgDriver, { connection: 'postgres://localhost', max: 3 })
  const mysql = createForkSafePool(mysqlDriver, { connection: { uri: 'mysql://localhost' } })
  const redis = core.createForkSafePool(redisDriver, { connection: 'redis://localhost' })
  const { rows } = await pg.query<{ text: string }>('select 1 as text')
  const { result } = await fork(() => 'text')
  return [
    ...rows.map((row) => row.text),
    await mysql.transaction(async () => 'text'),
    await redis.get('key'),
    await result,
  ]
}

const own = defineDriver({
  name: 'own',
  create: () => Promise.resolve({ count: 1 }),
  destroy: (resource) => void resource.count,
  discard: (resource) => void resource.count,
})
export const pool: ForkSafePool<{ count: number }> = createForkSafePool(own, {})
export const isOurs = (error: unknown): boolean =>
  error instanceof PoolError ||
  error instanceof core.PoolError ||
  error instanceof CommitUnknownError
export const functions = [onAbort, checkOptions]

// @ts-expect-error -- an unknown option
createForkSafePool(pgDriver, { connection: 'postgres://localhost', maximum: 3 })
