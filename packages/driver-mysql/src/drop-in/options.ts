import type { PoolOptions } from '@forksafe/core'
import type { PoolConfig } from './mysql2.ts'

/**
 * The same in core's terms.
 * @throws {TypeError} for numbers with which nothing would ever be lent, or kept.
 */
export function coreOptionsOf(config: PoolConfig): PoolOptions<void> {
  for (const option of ['connectionLimit', 'maxIdle', 'idleTimeout', 'queueLimit'] as const) {
    if (config[option] >= 0) continue
    throw new TypeError(
      `Pool "mysql": expected \`${option}\` to be a number of at least 0, got ${config[option]}.`,
    )
  }
  const { connectionLimit, idleTimeout, queueLimit, waitForConnections } = config
  return {
    max: Math.min(Math.ceil(connectionLimit) || Infinity, Number.MAX_SAFE_INTEGER),
    maxWaitingClients: waitForConnections ? Math.ceil(queueLimit) || Infinity : 0,
    idleTimeoutMillis: idleTimeout || 1,
    maxLifetimeMillis: Infinity,
    acquireTimeoutMillis: Infinity,
    // `connectTimeout` is mysql2's own.
    createTimeoutMillis: Infinity,
    // The driver keeps the time, and not that of a holder's last statement.
    destroyTimeoutMillis: Infinity,
    allowExitOnIdle: false,
    // Every caller has a try of its own; only what fails for nobody is followed by a pause.
    backoff: { minMillis: 1, maxMillis: 1 },
  }
}
