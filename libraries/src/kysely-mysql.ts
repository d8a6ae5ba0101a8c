import { createPool } from '@forksafe/driver-mysql'
import { Kysely, MysqlDialect } from 'kysely'

interface Database {
  kysely_accounts: { id: number; owner: string; balance: number }
}

export const pool = createPool({ uri: process.env['MYSQL_URL'] ?? '' })
// It asks by callback: `pool.pool` is the one for that.
export const db = new Kysely<Database>({ dialect: new MysqlDialect({ pool: pool.pool }) })
