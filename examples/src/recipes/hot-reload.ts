import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import type { AppPool } from './pool.ts'

const kept = globalThis as { pool?: AppPool }

export const pool = (kept.pool ??= createForkSafePool(pgDriver, {
  connection: process.env.DATABASE_URL ?? '',
}))
