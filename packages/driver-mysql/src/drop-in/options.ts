import type { PoolOptions } from '@forksafe/core'
import { kindOf } from '@forksafe/core/methods'
import mysql, { type Pool, type PoolOptions as Mysql2PoolOptions } from 'mysql2'
import type { PoolConfig } from '../internals.ts'
import { construct } from '../open.ts'

/**
 * Returns core's options for a pool of mysql2. The drop-in itself enforces those that a program may change later, except `max`.
 * @throws {TypeError} for numbers with which nothing would ever be lent, or kept.
 */
export function coreOptionsOf(config: PoolConfig): PoolOptions<void> {
  const max = maxOf(config)
  for (const option of ['maxIdle', 'idleTimeout', 'queueLimit'] as const) {
    expectNotNegative(option, config[option])
  }
  return {
    max,
    maxWaitingClients: Infinity,
    idleTimeoutMillis: Infinity,
    maxLifetimeMillis: Infinity,
    acquireTimeoutMillis: Infinity,
    // `connectTimeout` is mysql2's own.
    createTimeoutMillis: Infinity,
    // The driver enforces its own limit, which a holder's last statement does not count towards.
    destroyTimeoutMillis: Infinity,
    allowExitOnIdle: false,
    // While the server is down, callers wait for the next connect: short pauses.
    backoff: { maxMillis: 1_000 },
  }
}

/** @throws {TypeError} for a number with which nothing would ever be lent. */
export function maxOf({ connectionLimit }: PoolConfig): number {
  expectNotNegative('connectionLimit', connectionLimit)
  return Math.min(Math.ceil(connectionLimit) || Infinity, Number.MAX_SAFE_INTEGER)
}

/** Returns how many callers may wait for a connection. */
export function maxWaitingOf({ queueLimit, waitForConnections }: PoolConfig): number {
  return waitForConnections ? Math.ceil(queueLimit) || Infinity : 0
}

function expectNotNegative(option: keyof PoolConfig, value: unknown): void {
  if (Number(value) >= 0) return
  const got = typeof value === 'number' ? String(value) : kindOf(value)
  throw new TypeError(
    `Pool "mysql": expected \`${option}\` to be a number of at least 0, got ${got}.`,
  )
}

/** Returns the options as mysql2 reads them, with its warnings and errors. */
export function parse(options: Mysql2PoolOptions | string): PoolConfig {
  // This opens nothing, and its only timer ends with it.
  const pool: Pool = construct(() => mysql.createPool(options as Mysql2PoolOptions))
  pool.end()
  return pool.config as PoolConfig
}
