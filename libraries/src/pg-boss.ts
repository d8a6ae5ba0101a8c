import { Pool } from '@forksafe/driver-pg'
import { PgBoss } from 'pg-boss'

export const pool = new Pool()
export const boss = new PgBoss({
  db: { executeSql: (text, values) => pool.query(text, values) },
})
