import { Pool } from '@forksafe/driver-pg'
import { Pool as PgPool, type PoolConfig } from 'pg'

// Asks once, says so, and has nothing more to do.

const [name = '', config = ''] = process.argv.slice(2)
const Class = name === 'pg.Pool' ? PgPool : Pool
const pool = new Class(JSON.parse(config) as PoolConfig)
await pool.query('SELECT 1')
process.send?.('asked')
process.disconnect()
