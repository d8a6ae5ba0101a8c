import type { Budget } from './api/budget.ts'
import type { Driver } from './api/driver.ts'
import type { PoolOptions } from './api/options.ts'
import type { CloseOptions, ForkSafePool, PoolEvents, PoolListener } from './api/pool.ts'
import type { PoolStats } from './api/stats.ts'
import { createForkSafePool } from './pool.ts'
import { aFunction, checkOptions, kindOf, limit } from './tools/rules.ts'
import { LONGEST_TIMER } from './tools/timers.ts'

/** The options of `createPoolMap`. */
export interface PoolMapOptions {
  /** The `budget` option of every pool. Default: the one that each pool's options contain, or none. */
  readonly budget?: Budget | undefined
  /**
   * The time in milliseconds for which a pool must have been unused and without a resource before it is closed. Above 0. Default 60,000.
   */
  readonly idleMillis?: number | undefined
  /**
   * The maximum number of pools. Beyond it, the unused pool that was asked for longest ago is closed. A whole number of at least 1. Default
   * `Infinity`.
   */
  readonly maxPools?: number | undefined
}

/** The numbers of all pools of a map together: the sums of their `stats`. */
export interface PoolMapStats extends Pick<
  PoolStats,
  | 'size'
  | 'idle'
  | 'borrowed'
  | 'shared'
  | 'inFlight'
  | 'waiting'
  | 'creating'
  | 'destroying'
  | 'permits'
  | 'wanted'
> {
  /** The number of open pools. */
  readonly pools: number
}

/** A listener for one event of all pools of a map. Its last argument is the key of the pool. */
export type PoolMapListener<K, E extends keyof PoolEvents> = (
  ...details: [...PoolEvents[E], key: K]
) => void

/** One pool for each key, such as a tenant or a shard. */
export interface PoolMap<K, P> extends AsyncDisposable {
  /**
   * Returns the pool of this key, and creates it at first. Call it for each use, because an unused pool is closed after a while.
   * @throws {TypeError} for wrong options, or if the map is closed.
   * @throws {RangeError} if there are `maxPools` pools, and all of them are in use.
   */
  get(key: K): P
  /** The number of open pools. */
  readonly size: number
  /** The numbers of all pools together, at this moment. */
  readonly stats: PoolMapStats
  /** Calls `listener` at each event of this name of any pool. */
  on<E extends keyof PoolEvents>(event: E, listener: PoolMapListener<K, E>): this
  /** Closes all pools. Settles like `close` of a pool. */
  close(options?: CloseOptions): Promise<void>
}

const sums = [
  'size',
  'idle',
  'borrowed',
  'shared',
  'inFlight',
  'waiting',
  'creating',
  'destroying',
  'permits',
  'wanted',
] as const

const rules = {
  budget: {
    expected: 'a budget, which has a function `join`',
    accepts: (value: unknown) => typeof (Object(value) as Partial<Budget>).join === 'function',
  },
  idleMillis: {
    expected: 'a number of milliseconds above 0, or Infinity',
    accepts: (value: unknown) => typeof value === 'number' && value > 0,
    shows: true,
  },
  maxPools: limit(1),
}

/**
 * Returns a map that creates a pool for each key at its first use, with the options that `optionsOf` returns for it, and closes it when it
 * has been empty for `idleMillis`.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function createPoolMap<K, R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
  optionsOf: (key: K) => PoolOptions<C>,
  options: PoolMapOptions = {},
): PoolMap<K, ForkSafePool<R> & M> {
  if (!aFunction.accepts(optionsOf)) {
    throw new TypeError(
      `\`createPoolMap\`: expected a function that returns the options for a key, got ${kindOf(optionsOf)}.`,
    )
  }
  checkOptions('`createPoolMap`', rules, options)
  const { budget, idleMillis = 60_000, maxPools = Infinity } = options
  const open = (key: K): ForkSafePool<R> & M => {
    const own = optionsOf(key)
    return createForkSafePool(driver, budget === undefined ? own : { ...own, budget })
  }
  return new Pools(open, idleMillis, maxPools)
}

interface Member<P> {
  readonly pool: P
  /** When it was last asked for or seen in use, by the monotonic clock. */
  usedAt: number
}

class Pools<K, R extends object, P extends ForkSafePool<R>> implements PoolMap<K, P> {
  /** In the order in which they were last asked for. */
  readonly #members = new Map<K, Member<P>>()
  readonly #listeners: ((pool: P, key: K) => void)[] = []
  /** Pools that are closing. */
  readonly #closing = new Set<Promise<void>>()
  readonly #open: (key: K) => P
  readonly #idleMillis: number
  readonly #maxPools: number
  #timer: NodeJS.Timeout | undefined
  #closed: Promise<unknown> | undefined

  constructor(open: (key: K) => P, idleMillis: number, maxPools: number) {
    this.#open = open
    this.#idleMillis = idleMillis
    this.#maxPools = maxPools
  }

  get(key: K): P {
    if (this.#closed !== undefined) throw new TypeError('The map of pools is closed.')
    const member = this.#members.get(key) ?? this.#newMember(key)
    member.usedAt = performance.now()
    this.#members.delete(key)
    this.#members.set(key, member)
    return member.pool
  }

  #newMember(key: K): Member<P> {
    if (this.#members.size >= this.#maxPools) this.#makeRoom()
    const pool = this.#open(key)
    for (const listen of this.#listeners) listen(pool, key)
    const millis = Math.min(this.#idleMillis, LONGEST_TIMER)
    this.#timer ??= setInterval(() => this.#sweep(), millis).unref()
    return { pool, usedAt: 0 }
  }

  #makeRoom(): void {
    for (const [key, { pool }] of this.#members) {
      const { borrowed, inFlight, waiting } = pool.stats
      if (borrowed + inFlight + waiting === 0) return this.#end(key, pool)
    }
    throw new RangeError(
      `\`createPoolMap\`: there are ${this.#maxPools} pools (\`maxPools\`), and all of them are in use.`,
    )
  }

  /** Closes the pools that have been empty for long. */
  #sweep(): void {
    const now = performance.now()
    for (const [key, member] of this.#members) {
      const { size, waiting } = member.pool.stats
      if (size + waiting > 0) member.usedAt = now
      else if (now - member.usedAt >= this.#idleMillis) this.#end(key, member.pool)
    }
    if (this.#members.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #end(key: K, pool: P): void {
    this.#members.delete(key)
    const closing = pool.close().finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  get size(): number {
    return this.#members.size
  }

  get stats(): PoolMapStats {
    const stats = { pools: this.#members.size }
    const total = Object.assign(stats, Object.fromEntries(sums.map((name) => [name, 0]))) as {
      -readonly [N in keyof PoolMapStats]: number
    }
    for (const { pool } of this.#members.values()) {
      const one = pool.stats
      for (const name of sums) total[name] += one[name]
    }
    return total
  }

  on<E extends keyof PoolEvents>(event: E, listener: PoolMapListener<K, E>): this {
    const listen = (pool: P, key: K): void => {
      const relay: PoolListener<E> = (...details) => listener(...details, key)
      pool.on(event, relay)
    }
    this.#listeners.push(listen)
    for (const [key, { pool }] of this.#members) listen(pool, key)
    return this
  }

  async close(options?: CloseOptions): Promise<void> {
    this.#closed ??= this.#closeAll(options)
    await this.#closed
  }

  async #closeAll(options: CloseOptions | undefined): Promise<void> {
    clearInterval(this.#timer)
    const closing = [...this.#members.values()].map(({ pool }) => pool.close(options))
    this.#members.clear()
    await Promise.all([...closing, ...this.#closing])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
