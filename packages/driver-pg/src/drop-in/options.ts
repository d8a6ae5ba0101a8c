import type { BasePoolOptions, PoolOptions } from '@forksafe/core'
import { kindOf } from '@forksafe/core/methods'
import { aShareMode, type ShareMode } from '../share/share-mode.ts'
import type { PoolConfig, PoolOptions as DropInOptions } from 'pg'

export type { PoolOptions as DropInOptions } from 'pg'

/** Options of the underlying pool that the drop-in takes as well. */
export interface CoreOptions extends Pick<
  BasePoolOptions,
  | 'name'
  | 'maxConnecting'
  | 'maxWaitingClients'
  | 'validateTimeoutMillis'
  | 'destroyTimeoutMillis'
  | 'validateAfterIdleMillis'
  | 'keepaliveMillis'
  | 'fifo'
  | 'backoff'
  | 'leakDetectionMillis'
  | 'forkDetection'
  | 'eager'
  | 'maxInFlight'
  | 'sealAfterMillis'
> {}

/** The driver's option that the drop-in takes as well. */
export interface ShareOption {
  /**
   * Whether `query` of the pool sends statements of many callers on one connection, as with the option of the same name of
   * `pgDriverWith`. A query whose config has `share: false` has a connection to itself. Default: `false`.
   */
  readonly share?: 'reads' | 'statements' | false | undefined
}

/** Returns which statements share a connection. A client to be verified first is not shared. */
export function shareModeOf(options: DropInOptions & ShareOption): ShareMode | false {
  return options.verify ? false : (options.share ?? false)
}

const coreOptions: readonly (keyof CoreOptions)[] = [
  'name',
  'maxConnecting',
  'maxWaitingClients',
  'validateTimeoutMillis',
  'destroyTimeoutMillis',
  'validateAfterIdleMillis',
  'keepaliveMillis',
  'fifo',
  'backoff',
  'leakDetectionMillis',
  'forkDetection',
  'eager',
  'maxInFlight',
  'sealAfterMillis',
]

/** Options of the underlying pool that have another name in pg-pool. */
const renamed: Readonly<Record<string, string>> = {
  acquireTimeoutMillis: 'set `connectionTimeoutMillis`',
  createTimeoutMillis: 'set `connectionTimeoutMillis`',
  maxLifetimeMillis: 'set `maxLifetimeSeconds`',
  connection: 'put its properties beside the other options',
}

/** @throws {TypeError} for options that are no object, and for one that has another name here. */
export function checkConfig(config: PoolConfig | undefined): PoolConfig | undefined {
  if (config === undefined || config === null) return undefined
  if (typeof config === 'object' && !Array.isArray(config)) {
    for (const [option, hint] of Object.entries(renamed)) {
      if ((config as Record<string, unknown>)[option] === undefined) continue
      throw new TypeError(`Pool "pg": there is no option \`${option}\` here: ${hint}.`)
    }
    const { share } = config as ShareOption
    if (share !== undefined && !aShareMode.accepts(share)) {
      const { expected } = aShareMode
      throw new TypeError(`Pool "pg": expected \`share\` to be ${expected}, got ${kindOf(share)}.`)
    }
    return config
  }
  // It may be a string with a password.
  throw new TypeError(
    `Pool "pg": expected an object of options, such as { connectionString }, got ${kindOf(config)}.`,
  )
}

/** The same in core's terms. */
export function coreOptionsOf(options: DropInOptions): PoolOptions<DropInOptions> {
  const own = ownCoreOptions(options)
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
    ...own,
    // While the server is down, callers wait for the next connect: short pauses.
    backoff: { maxMillis: 1_000, ...own.backoff },
  }
}

function ownCoreOptions(options: DropInOptions & CoreOptions): CoreOptions {
  const given = coreOptions.map((option) => [option, options[option]])
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as CoreOptions
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
