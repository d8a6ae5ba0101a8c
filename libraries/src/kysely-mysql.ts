import { createPool } from '@forksafe/driver-mysql'
import { Kysely, MysqlDialect } from 'kysely'

interface Database {
  kysely_accounts: { id: number; owner: string; balance: number }
}

export const pool = createPool({ uri: process.env['MYSQL_URL'] ?? '' })
// Kysely uses callbacks, which `pool.pool` supports.
export const db = new Kysely<Database>({ dialect: new MysqlDialect({ pool: pool.pool }) })
