import type { Budget } from '../api/budget.ts'
import type { Driver } from '../api/driver.ts'
import type { BasePoolOptions } from '../api/options.ts'
import {
  anAbortSignal,
  checkOptions,
  isPlainObject,
  kindOf,
  expected,
  limit,
  oneOf,
  type Rule,
  type Rules,
  trueOrFalse,
  wholeFrom,
} from '../tools/rules.ts'
import { hintForPoolOption } from './hints.ts'

export interface Backoff {
  readonly minMillis: number
  readonly maxMillis: number
}

/** The options with their defaults. `connection` is the value of that option. */
export type ParsedOptions = {
  -readonly [K in keyof Omit<BasePoolOptions, 'backoff' | 'budget'>]-?: Exclude<
    BasePoolOptions[K],
    undefined
  >
} & {
  readonly backoff: Backoff
  readonly budget: Budget | undefined
  readonly connection: unknown
}

interface OptionRule extends Rule {
  /** The default. */
  readonly standard: unknown
}

const option = (standard: unknown, rule: Rule): OptionRule => ({ ...rule, standard })
const aNumber = (expected: string, accepts: (value: number) => boolean): Rule => ({
  expected,
  accepts: (value) => typeof value === 'number' && accepts(value),
  shows: true,
})
const millisFrom0 = aNumber(
  'a number of milliseconds of at least 0, or Infinity',
  (value) => value >= 0,
)
const millisAbove0 = aNumber('a number of milliseconds above 0, or Infinity', (value) => value > 0)
const finiteMillisAbove0 = aNumber(
  'a finite number of milliseconds above 0',
  (value) => value > 0 && value < Infinity,
)
const aName: Rule = {
  expected: 'a string of at least one character',
  accepts: (value) => typeof value === 'string' && value !== '',
}

const aBudget: Rule = {
  expected: 'a budget, which has a function `join`',
  accepts: (value) => typeof (Object(value) as Partial<Budget>).join === 'function',
}

const optionRules: Readonly<Record<keyof BasePoolOptions | 'connection', OptionRule>> = {
  connection: option(undefined, { expected: 'what the driver takes', accepts: () => true }),
  name: option(undefined, aName),
  min: option(0, wholeFrom(0)),
  eager: option(true, trueOrFalse),
  max: option(10, wholeFrom(1)),
  maxConnecting: option(8, limit(1)),
  budget: option(undefined, aBudget),
  maxInFlight: option(undefined, limit(1)),
  sealAfterMillis: option(5, millisFrom0),
  maxWaitingClients: option(Infinity, limit(0)),
  acquireTimeoutMillis: option(30_000, millisFrom0),
  createTimeoutMillis: option(10_000, millisAbove0),
  validateTimeoutMillis: option(2_000, millisAbove0),
  destroyTimeoutMillis: option(5_000, millisAbove0),
  idleTimeoutMillis: option(60_000, millisAbove0),
  maxLifetimeMillis: option(1_800_000, millisAbove0),
  maxUses: option(Infinity, limit(1)),
  validateAfterIdleMillis: option(30_000, millisFrom0),
  keepaliveMillis: option(0, millisFrom0),
  backoff: option({}, { expected: 'an object { minMillis?, maxMillis? }', accepts: isPlainObject }),
  fifo: option(false, trueOrFalse),
  leakDetectionMillis: option(0, millisFrom0),
  allowExitOnIdle: option(true, trueOrFalse),
  forkDetection: option('always', oneOf(['always', 'once', 'hooks'])),
}

export function isPoolOption(name: string): boolean {
  return Object.hasOwn(optionRules, name)
}

const acquireRules = {
  signal: anAbortSignal,
  timeoutMillis: millisFrom0,
  leakDetectionMillis: millisFrom0,
  priority: aNumber('a number', (value) => !Number.isNaN(value)),
} satisfies Rules

const argumentRules = {
  acquire: acquireRules,
  share: {
    ...acquireRules,
    seal: trueOrFalse,
    key: { expected: 'a string', accepts: (value: unknown) => typeof value === 'string' },
  },
  warmUp: { signal: anAbortSignal },
  resize: { min: optionRules.min, max: optionRules.max },
  close: { deadlineMillis: millisFrom0 },
} satisfies Record<string, Rules>

/**
 * Checks the options and fills in the defaults. An option that is `undefined` counts as left out.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function parseOptions(
  driver: Pick<Driver<never, unknown>, 'name' | 'share'>,
  options: unknown,
): ParsedOptions {
  if (typeof options === 'string' || options instanceof URL) {
    throw new TypeError(
      `Pool "${driver.name}": expected a plain object of options, got ${kindOf(options)}: put it in \`connection\`.`,
    )
  }
  const given = Object(options) as Record<string, unknown>
  const name =
    isPlainObject(options) && aName.accepts(given['name']) ? (given['name'] as string) : driver.name
  checkOptions(`Pool "${name}"`, optionRules, options, hintForPoolOption)
  const parsed = Object.fromEntries(
    Object.entries(optionRules).map(([key, { standard }]) => [
      key,
      given[key] === undefined ? standard : given[key],
    ]),
  ) as ParsedOptions
  checkSize(name, parsed)
  const maxInFlight = parsed.maxInFlight ?? driver.share?.maxInFlight ?? 1
  return { ...parsed, name, maxInFlight, backoff: parseBackoff(name, parsed.backoff) }
}

function parseBackoff(pool: string, given: Partial<Backoff>): Backoff {
  const rules = { minMillis: finiteMillisAbove0, maxMillis: finiteMillisAbove0 }
  checkOptions(`Pool "${pool}", option \`backoff\``, rules, given)
  const { minMillis = 50, maxMillis = 5_000 } = given
  checkOrder(pool, ['backoff.minMillis', minMillis], ['backoff.maxMillis', maxMillis])
  return { minMillis, maxMillis }
}

/** @throws {TypeError} when `min` is more than `max`. */
export function checkSize(pool: string, { min, max }: { min: number; max: number }): void {
  checkOrder(pool, ['min', min], ['max', max])
}

type Named = readonly [name: string, value: number]

function checkOrder(pool: string, [low, least]: Named, [high, most]: Named): void {
  if (least <= most) return
  throw new TypeError(
    `Pool "${pool}": expected \`${low}\` to be at most \`${high}\`, got ${least} and ${most}.`,
  )
}

/** @throws {TypeError} if a method that takes a function is given anything else. */
export function checkWork(pool: string, method: 'use' | 'share', work: unknown): void {
  if (typeof work === 'function') return
  throw expected(`Pool "${pool}"`, `\`${method}\` to be given a function`, work)
}

type Method = keyof typeof argumentRules

/** @throws {TypeError} for a wrong or unknown option of a method. */
export function checkArguments(pool: string, method: Method, given: unknown): void {
  checkOptions(`Pool "${pool}", \`${method}\``, argumentRules[method], given)
}
