import { createPool } from '@forksafe/driver-mysql'
import type { PoolOptions } from 'mysql2'
import { DataSource, EntitySchema } from 'typeorm'

export interface Account {
  id: number
  owner: string
  balance: number
}

export const accounts = new EntitySchema<Account>({
  name: 'typeorm_accounts',
  columns: {
    id: { type: 'int', primary: true },
    owner: { type: 'text' },
    balance: { type: 'int' },
  },
})

export const db = new DataSource({
  type: 'mysql',
  url: process.env['MYSQL_URL'] ?? '',
  // TypeORM creates a pool with callbacks through this driver.
  driver: { createPool: (options: PoolOptions) => createPool(options).pool },
  entities: [accounts],
})
