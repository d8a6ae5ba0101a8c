import { Pool } from '@forksafe/driver-pg'
import pg from 'pg'
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
  type: 'postgres',
  // TypeORM creates a pool of this class.
  driver: { ...pg, Pool },
  entities: [accounts],
})
