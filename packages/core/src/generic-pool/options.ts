import type { BasePoolOptions } from '../api/options.ts'
import { isPoolOption } from '../context/parse-options.ts'
import { show } from '../tools/rules.ts'
import type { EvictionConfig, Options } from './surface.ts'

/** The options that the drop-in itself uses. Core handles the others. */
export interface Config extends EvictionConfig {
  readonly name: string
  readonly max: number
  readonly testOnBorrow: boolean
  readonly testOnReturn: boolean
  readonly validateTimeoutMillis: number
  readonly destroyTimeoutMillis: number
  readonly priorityRange: number
  readonly autostart: boolean
  readonly evictionRunIntervalMillis: number
  readonly numTestsPerEvictionRun: number
  readonly Promise: PromiseConstructorLike
}

/** Core's options that the drop-in accepts, either with generic-pool's meaning or with core's. */
const accepted: ReadonlySet<string> = new Set<keyof BasePoolOptions>([
  'name',
  'min',
  'max',
  'maxWaitingClients',
  'acquireTimeoutMillis',
  'createTimeoutMillis',
  'validateTimeoutMillis',
  'destroyTimeoutMillis',
  'idleTimeoutMillis',
  'maxLifetimeMillis',
  'maxUses',
  'backoff',
  'fifo',
  'leakDetectionMillis',
  'forkDetection',
])

/** Core's options that have another name in generic-pool. */
const renamed: Readonly<Record<string, string>> = {
  eager: 'autostart',
  validateAfterIdleMillis: 'testOnBorrow',
}

/**
 * Parses options as leniently as generic-pool: numeric strings are accepted, and invalid values mean the default.
 * @throws {TypeError} for an option of core that would have no effect.
 */
export function configOf(options: Options): Config {
  refuseOtherCoreOptions(options)
  const max = Math.max(wholeOf(options.max, 1), 1)
  return {
    name: nameOf(options),
    max,
    min: Math.min(wholeOf(options.min, 0), max),
    testOnBorrow: options.testOnBorrow === true,
    testOnReturn: options.testOnReturn === true,
    validateTimeoutMillis: limitOf(options, 'validateTimeoutMillis', 10_000),
    destroyTimeoutMillis: limitOf(options, 'destroyTimeoutMillis', 10_000),
    priorityRange: Math.max(wholeOf(options.priorityRange, 1), 1),
    autostart: options.autostart !== false,
    evictionRunIntervalMillis: options.evictionRunIntervalMillis || 0,
    numTestsPerEvictionRun: options.numTestsPerEvictionRun || 3,
    softIdleTimeoutMillis: options.softIdleTimeoutMillis || -1,
    idleTimeoutMillis: options.idleTimeoutMillis || 30_000,
    Promise: options.Promise ?? Promise,
  }
}

/** Returns the options for core. `min` is set later, by `start`. */
export function coreOptionsOf(
  options: Options,
  { name, max, testOnBorrow }: Config,
): BasePoolOptions {
  const { maxLifetimeMillis = Infinity, maxUses, backoff } = options
  const { leakDetectionMillis, forkDetection } = options
  return {
    name,
    max,
    maxConnecting: Infinity,
    maxWaitingClients: Math.max(wholeOf(options.maxWaitingClients, Infinity), 0),
    acquireTimeoutMillis: limitOf(options, 'acquireTimeoutMillis', Infinity),
    createTimeoutMillis: limitOf(options, 'createTimeoutMillis', 60_000),
    // The driver applies these two timeouts itself, because a resource whose `validate` timed out is destroyed, not discarded.
    validateTimeoutMillis: Infinity,
    destroyTimeoutMillis: Infinity,
    // The evictor decides this.
    idleTimeoutMillis: Infinity,
    validateAfterIdleMillis: testOnBorrow ? 0 : Infinity,
    fifo: options.fifo !== false,
    maxLifetimeMillis,
    maxUses,
    backoff,
    leakDetectionMillis,
    forkDetection,
  }
}

/** Returns the priority in the queue. Values out of range go last. */
export function priorityOf(given: unknown, { priorityRange }: Config): number {
  const priority = Math.trunc(Number(given)) || 0
  return priority < 0 || priority >= priorityRange ? priorityRange - 1 : priority
}

function refuseOtherCoreOptions(options: Options): void {
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || accepted.has(option) || !isPoolOption(option)) continue
    const name = renamed[option]
    throw new TypeError(
      `Pool "${nameOf(options)}": there is no option \`${option}\` here${name === undefined ? '' : `: set \`${name}\``}.`,
    )
  }
}

function nameOf({ name }: Options): string {
  return typeof name === 'string' && name !== '' ? name : 'generic-pool'
}

function wholeOf(given: unknown, otherwise: number): number {
  const whole = Number.parseInt(String(given), 10)
  return Number.isNaN(whole) ? otherwise : whole
}

/** @throws {TypeError} for a value with which no operation could succeed. */
function limitOf(
  options: Options,
  option: 'acquireTimeoutMillis' | `${'create' | 'validate' | 'destroy'}TimeoutMillis`,
  otherwise: number,
): number {
  const given = options[option]
  if (!given || given === Infinity) return given ? Infinity : otherwise
  const millis = Number.parseInt(String(given), 10)
  if (millis > 0) return millis
  throw new TypeError(
    `Pool "${nameOf(options)}": expected \`${option}\` to be a number of milliseconds above 0, got ${show(given)}.`,
  )
}
