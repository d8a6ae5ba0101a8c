import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'

await using pool = createForkSafePool(pgDriver, { connection: process.env.DATABASE_URL ?? '' })

const { rows } = await pool.query('select now()') // on any free connection
await pool.transaction((client) => client.query('select pg_advisory_xact_lock(42)')) // BEGIN … COMMIT
await pool.use(async (client) => client.query('select 1')) // borrowed for the callback
using lease = await pool.acquire({ timeoutMillis: 500 }) // borrowed until released
await lease.resource.query('select $1::text', [rows.length])
