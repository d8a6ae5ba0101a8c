import { Pool } from '@forksafe/driver-pg'
import { Kysely, PostgresDialect } from 'kysely'

interface Database {
  kysely_accounts: { id: number; owner: string; balance: number }
}

export const pool = new Pool()
export const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
