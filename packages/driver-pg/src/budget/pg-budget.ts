import type { Budget, Member, Seat } from '@forksafe/core'
import { checkOptions } from '@forksafe/core/methods'
import { type LockClasses, lockClassesOf } from './statements.ts'
import { PgSeat } from './seat.ts'

/** The options of `pgBudget`. Times are in milliseconds. */
export interface PgBudgetOptions {
  /** The name of the budget. Members in the same database with the same name share it. At least one character. */
  readonly group: string
  /** The maximum number of sessions with a permit. A whole number of at least 1. While members differ, the largest counts. */
  readonly limit: number
  /** The maximum number of sessions of one member that have no permit yet. A whole number of at least 1. Default 1. */
  readonly doors?: number | undefined
  /** How long such a session waits for a permit of another member. Above 0, finite. Default 300. */
  readonly handoverMillis?: number | undefined
  /** The average pause before the next attempt. Above 0, finite. Default 250. */
  readonly retryMillis?: number | undefined
  /**
   * Ends sessions that have been idle for this time, if their member has not responded to others for the same time: its process may be
   * frozen. Above 0. Default `Infinity`: never.
   */
  readonly evictIdleMillis?: number | undefined
  /**
   * Set this if the pools connect through a pooler in session mode, such as PgBouncer. Otherwise, a pooler is rejected, because in
   * transaction mode a lock belongs to no client. Default `false`.
   */
  readonly sessionPooler?: boolean | undefined
}

export interface ParsedBudgetOptions extends Required<
  Omit<
    PgBudgetOptions,
    'group' | 'doors' | 'handoverMillis' | 'retryMillis' | 'evictIdleMillis' | 'sessionPooler'
  >
> {
  readonly doors: number
  readonly handoverMillis: number
  readonly retryMillis: number
  readonly evictIdleMillis: number
  readonly sessionPooler: boolean
  readonly classes: LockClasses
}

const aCount = {
  expected: 'a whole number from 1 to 1,000,000',
  accepts: (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= 1_000_000,
  shows: true,
}
const finiteMillis = {
  expected: 'a finite number of milliseconds above 0',
  accepts: (value: unknown) => Number.isFinite(value) && (value as number) > 0,
  shows: true,
}
const rules = {
  group: {
    expected: 'a string of at least one character',
    accepts: (value: unknown) => typeof value === 'string' && value !== '',
  },
  limit: aCount,
  doors: aCount,
  handoverMillis: finiteMillis,
  retryMillis: finiteMillis,
  evictIdleMillis: {
    expected: 'a number of milliseconds above 0, or Infinity',
    accepts: (value: unknown) => typeof value === 'number' && value > 0,
    shows: true,
  },
  sessionPooler: {
    expected: 'true or false',
    accepts: (value: unknown) => typeof value === 'boolean',
    shows: true,
  },
}

/**
 * Returns one limit for the pools of many processes and machines. Each connection takes a session-level advisory lock as its permit, so
 * the server itself returns the permit when the session ends, however it ends.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function pgBudget(options: PgBudgetOptions): Budget {
  checkOptions('`pgBudget`', rules, options)
  for (const name of ['group', 'limit'] as const) {
    if (options[name] !== undefined) continue
    throw new TypeError(
      `\`pgBudget\`: expected \`${name}\` to be ${rules[name].expected}, got undefined.`,
    )
  }
  return new PgBudget(options)
}

export class PgBudget implements Budget {
  readonly #options: ParsedBudgetOptions

  constructor(options: PgBudgetOptions) {
    this.#options = {
      limit: options.limit,
      doors: options.doors ?? 1,
      handoverMillis: options.handoverMillis ?? 300,
      retryMillis: options.retryMillis ?? 250,
      evictIdleMillis: options.evictIdleMillis ?? Infinity,
      sessionPooler: options.sessionPooler ?? false,
      classes: lockClassesOf(options.group),
    }
  }

  join(member: Member): Seat {
    return new PgSeat(this.#options, member)
  }
}
