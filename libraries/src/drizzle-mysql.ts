import { createPool } from '@forksafe/driver-mysql'
import { int, mysqlTable, text } from 'drizzle-orm/mysql-core'
import { drizzle } from 'drizzle-orm/mysql2'

export const accounts = mysqlTable('drizzle_accounts', {
  id: int().primaryKey(),
  owner: text(),
  balance: int().notNull(),
})

export const pool = createPool({ uri: process.env['MYSQL_URL'] ?? '' })
export const db = drizzle({ client: pool })
