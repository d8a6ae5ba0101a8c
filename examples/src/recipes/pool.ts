import { createForkSafePool, type ForkSafePool } from '@forksafe/core'
import { pgDriver, type PgMethods } from '@forksafe/driver-pg'
import type { Client } from 'pg'

export type AppPool = ForkSafePool<Client> & PgMethods

export const pool: AppPool = createForkSafePool(pgDriver, {
  connection: process.env.DATABASE_URL ?? '',
  maxWaitingClients: 200,
  acquireTimeoutMillis: 5_000,
})
