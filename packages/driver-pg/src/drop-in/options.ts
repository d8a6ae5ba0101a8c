import type { PoolOptions } from '@forksafe/core'
import { kindOf } from '@forksafe/core/methods'
import type { PoolConfig, PoolOptions as DropInOptions } from 'pg'

export type { PoolOptions as DropInOptions } from 'pg'

/** @throws {TypeError} for what pg-pool would stumble over. */
export function checkConfig(config: PoolConfig | undefined): PoolConfig | undefined {
  if (config === undefined || config === null) return undefined
  if (typeof config === 'object' && !Array.isArray(config)) return config
  // It may be a string with a password.
  throw new TypeError(
    `Pool "pg": expected an object of options, such as { connectionString }, got ${kindOf(config)}.`,
  )
}

/** The same in core's terms. */
export function coreOptionsOf(options: DropInOptions): PoolOptions<DropInOptions> {
  return {
    connection: options,
    ...coreSizeOf(options),
    // pg-pool opens nothing ahead of need either.
    eager: false,
    maxUses: Math.ceil(numberOf(options.maxUses)),
    idleTimeoutMillis: timeOf(options, 'idleTimeoutMillis'),
    maxLifetimeMillis: timeOf(options, 'maxLifetimeSeconds') * 1000,
    acquireTimeoutMillis: timeOf(options, 'connectionTimeoutMillis'),
    // `open` keeps the time, and has the words for it.
    createTimeoutMillis: Infinity,
    // `end()` of pg-pool does not wait for the server at all.
    destroyTimeoutMillis: 1_000,
    allowExitOnIdle: Boolean(options.allowExitOnIdle as unknown),
    // Every caller has a try of its own; only what fails for nobody is followed by a pause.
    backoff: { minMillis: 1, maxMillis: 1 },
  }
}

/** Here a `min` above `max` is `max`, and one below 0 is 0. */
export function coreSizeOf(options: DropInOptions): { min: number; max: number } {
  const max = Math.ceil(numberOf(options.max))
  // In this order they are checked: a wrong `max` makes a wrong `min`.
  return { max, min: Math.min(Math.max(0, Math.ceil(numberOf(options.min))), max) }
}

/** 0, and what is no number, is no limit. */
function timeOf(
  options: DropInOptions,
  name: 'idleTimeoutMillis' | 'maxLifetimeSeconds' | 'connectionTimeoutMillis',
): number {
  const value = numberOf(options[name]) || Infinity
  if (value > 0) return value
  throw new TypeError(`Pool "pg": expected \`${name}\` to be at least 0, got ${value} (number).`)
}

/** pg-pool compares without a look at types, and a number may come as text, from the environment. */
function numberOf(value: unknown): number {
  return Number(value ?? 0)
}
