import { Pool } from '@forksafe/driver-pg'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'

export const accounts = pgTable('drizzle_accounts', {
  id: integer().primaryKey(),
  owner: text(),
  balance: integer().notNull(),
})

export const pool = new Pool()
export const db = drizzle({ client: pool })
