// A typical user program. It is compiled by each TypeScript, but never run.
import {
  createForkSafePool,
  defineDriver,
  PoolError,
  type ForkSafePool,
  type Lease,
} from '@forksafe/core'
import { mysqlDriver } from '@forksafe/driver-mysql'
import { pgDriver, Pool } from '@forksafe/driver-pg'
import { redisDriver } from '@forksafe/driver-redis'
import { CommitUnknownError, modesOf } from '@forksafe/sql'
import { fork, startRecordingProxy } from '@forksafe/testkit'
import type { Client } from 'pg'

const pg = createForkSafePool(pgDriver, { connection: 'postgres://localhost', max: 3 })
const { rows } = await pg.query<{ n: number }>('select 1 as n')
export const n: number | undefined = rows[0]?.n
export const lent: Lease<Client> = await pg.acquire({ timeoutMillis: 500 })
export const dropIn: number = (await new Pool({ max: 3 }).query('select 1')).rowCount ?? 0

const mysql = createForkSafePool(mysqlDriver, { connection: { uri: 'mysql://localhost' } })
export const text: string = await mysql.transaction(async () => 'text')

const redis = createForkSafePool(redisDriver, { connection: () => 'redis://localhost' })
export const value: string | null = await redis.get('key')

const own = defineDriver({
  name: 'own',
  create: () => Promise.resolve({ count: 1 }),
  destroy: (resource) => void resource.count,
  discard: (resource) => void resource.count,
})
export const pool: ForkSafePool<{ count: number }> = createForkSafePool(own, {})
export const count: number = await pool.use((resource) => resource.count)

await using proxy = await startRecordingProxy({ host: '127.0.0.1', port: 5432 })
const { result } = await fork(() => proxy.port)
export const port: number = await result
export const modes: string[] = modesOf({ isolation: 'serializable', readOnly: true })
export const isUnknown = (error: unknown): boolean => error instanceof CommitUnknownError
export const isOurs = (error: unknown): string => (error instanceof PoolError ? error.code : '')

// @ts-expect-error -- an unknown option
createForkSafePool(pgDriver, { connection: 'postgres://localhost', maximum: 3 })
// @ts-expect-error -- pg does not accept a number
createForkSafePool(pgDriver, { connection: 5432 })
// @ts-expect-error -- an environment variable may be undefined
createForkSafePool(pgDriver, { connection: process.env['PG_URL'] })
// @ts-expect-error -- may be undefined, too
createForkSafePool(mysqlDriver, { connection: () => process.env['MYSQL_URL'] })
// @ts-expect-error -- may be undefined as well
createForkSafePool(redisDriver, { connection: undefined })
// @ts-expect-error -- an unknown property
createForkSafePool(pgDriver, { connection: { host: 'localhost', prt: 5432 } })
// @ts-expect-error -- a command that needs its own connection
await redis.subscribe('channel')
