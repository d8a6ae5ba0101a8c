import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { BasePoolOptions, PoolEvents } from '../src/index.ts'
import type { Pool } from '../src/pool.ts'
import { LeapingClocks } from './support/clocks.ts'
import { FakeDriver, type FakeDriverOptions, type FakeResource } from './support/fake-driver.ts'
import { acquireMany, endsOf, idOf, openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0)
})

const HOUR = 3_600_000

/** Creates a pool that validates only after an idle hour. */
function open(
  options: BasePoolOptions = {},
  { hooks = ['watch', 'validate'] }: FakeDriverOptions = {},
) {
  const clocks = new LeapingClocks()
  const driver = new FakeDriver({ hooks })
  const pool = new FakeProcess().pool(driver, { validateAfterIdleMillis: HOUR, ...options }, clocks)
  const changes: PoolEvents['processChange'][0][] = []
  pool.on('processChange', (change) => changes.push(change))
  return { clocks, driver, pool, changes }
}

const thaw = { reason: 'thaw', incarnation: 1, generation: 1, discarded: 0 }

function use(pool: Pool<FakeResource>): Promise<number> {
  return pool.use(({ id }) => id)
}

describe('a thaw', () => {
  test('of a machine that slept is noticed at the next use, which validates idle resources', async () => {
    const { clocks, driver, pool, changes } = open()
    await openIdle(pool, 2)
    await clocks.sleep(30_000)
    expect(await use(pool)).toBe(2)
    expect(changes).toEqual([thaw])
    expect(driver.count('validate')).toBe(1)
    expect(driver.count('discard')).toBe(0)
  })

  test('of a stopped process is noticed by a late timer', async () => {
    const { clocks, driver, pool, changes } = open({ idleTimeoutMillis: 60_000, min: 1 })
    await openIdle(pool, 1)
    await clocks.stop(62_001)
    expect(changes).toEqual([])
    await pass(60_001)
    expect(changes).toEqual([thaw])
    await use(pool)
    expect(driver.count('validate')).toBe(1)
  })

  test('of a stopped process is noticed once, by a use before the late timer', async () => {
    const { clocks, driver, pool, changes } = open({ idleTimeoutMillis: 60_000 })
    await openIdle(pool, 1)
    await clocks.stop(70_000)
    expect(await use(pool)).toBe(1)
    expect(driver.count('validate')).toBe(1)
    await pass(120_000)
    expect(changes).toEqual([thaw])
  })

  test('that both clocks show is reported once', async () => {
    const { clocks, pool, changes } = open({ idleTimeoutMillis: 10_000 })
    await openIdle(pool, 1)
    await clocks.stop(15_000)
    await clocks.sleep(15_000)
    await use(pool)
    await pass(60_000)
    expect(changes).toEqual([thaw])
  })

  test('is reported each time', async () => {
    const { clocks, pool, changes } = open()
    for (let freeze = 0; freeze < 3; freeze++) {
      await openIdle(pool, 1)
      await clocks.sleep(5_000)
      await use(pool)
    }
    expect(changes).toEqual([thaw, thaw, thaw])
  })

  test('makes every resource be validated once', async () => {
    const { clocks, driver, pool } = open()
    await openIdle(pool, 3)
    await clocks.sleep(5_000)
    for (const lease of await acquireMany(pool, 3)) lease.release()
    expect(driver.count('validate')).toBe(3)
    for (const lease of await acquireMany(pool, 3)) lease.release()
    expect(driver.count('validate')).toBe(3)
  })

  test('replaces resources that the server dropped meanwhile, without an error for the caller', async () => {
    const { clocks, driver, pool } = open()
    await openIdle(pool, 3)
    await clocks.sleep(5_000)
    driver.valid = false
    expect(await use(pool)).toBe(4)
  })

  test('does not affect borrowed resources and waiting callers', async () => {
    const { clocks, driver, pool, changes } = open({ max: 1, leakDetectionMillis: 1_000 })
    const lease = await pool.acquire()
    const waiter = pool.acquire()
    await clocks.stop(5_000)
    await pass(1_000)
    expect(changes).toEqual([thaw])
    expect(lease.resource.id).toBe(1)
    lease.release()
    expect(await idOf(waiter)).toBe(1)
    expect(driver.count('validate')).toBe(0)
  })

  test('is not a change of identity: the generation remains the same', async () => {
    const { clocks, pool } = open()
    await openIdle(pool, 1)
    const seen: number[] = []
    pool.on('processChange', () => seen.push(pool.stats.generation, pool.stats.size))
    await clocks.sleep(5_000)
    await use(pool)
    expect(seen).toEqual([1, 1])
  })

  test('can be answered by recycle() in the middle of the acquire that noticed it', async () => {
    const { clocks, driver, pool } = open({}, { hooks: ['watch'] })
    await openIdle(pool, 2)
    pool.on('processChange', () => pool.recycle())
    await clocks.sleep(5_000)
    // It was lent before the thaw was reported, and ends at release.
    await use(pool)
    expect(await use(pool)).toBe(3)
    expect(driver.open.map(({ id }) => id)).toEqual([3])
  })

  test('can be answered by acquire(): no resource is lent twice', async () => {
    const { clocks, pool } = open()
    await openIdle(pool, 2)
    const inListener: Promise<number>[] = []
    pool.on('processChange', () => inListener.push(idOf(pool.acquire())))
    await clocks.sleep(5_000)
    const outside = await Promise.all([idOf(pool.acquire()), idOf(pool.acquire())])
    const ids = [...outside, ...(await Promise.all(inListener))]
    expect(new Set(ids).size).toBe(3)
  })

  test('is not noticed after closing has ended all upkeep', async () => {
    const { clocks, pool, changes } = open({ idleTimeoutMillis: 10_000 })
    const lease = await pool.acquire()
    const closing = follow(pool.close())
    await clocks.stop(20_000)
    lease.release()
    await settled()
    expect(closing.outcome.state).toBe('fulfilled')
    expect(changes).toEqual([])
  })
})

describe('no thaw', () => {
  test('is reported for less than two seconds: a busy event loop is not a freeze', async () => {
    const { clocks, driver, pool, changes } = open({ idleTimeoutMillis: 10_000 })
    await openIdle(pool, 1)
    await clocks.sleep(2_000)
    await use(pool)
    await clocks.stop(11_000)
    await use(pool)
    expect(changes).toEqual([])
    expect(driver.count('validate')).toBe(0)
  })

  test('is reported for a long idle time, in which the pool does not wake up', async () => {
    const { pool, changes } = open({ idleTimeoutMillis: Infinity, maxLifetimeMillis: Infinity })
    await openIdle(pool, 2)
    await pass(1_000)
    const setTimeouts = vi.spyOn(globalThis, 'setTimeout')
    await pass(24 * HOUR)
    expect(setTimeouts).not.toHaveBeenCalled()
    await use(pool)
    expect(changes).toEqual([])
  })

  test('is reported for a timer beyond the maximum of timers', async () => {
    const { pool, changes } = open({ idleTimeoutMillis: Infinity, maxLifetimeMillis: 1_000 * HOUR })
    await openIdle(pool, 1)
    await pass(900 * HOUR)
    expect(changes).toEqual([])
    expect(pool.stats.idle).toBe(1)
    await pass(101 * HOUR)
    expect(pool.stats.idle).toBe(0)
    expect(changes).toEqual([])
  })
})

describe('after a thaw, a resource that cannot be validated', () => {
  test('is lent as it is if validateAfterIdleMillis is Infinity; the event is still emitted', async () => {
    const { clocks, driver, pool, changes } = open({ validateAfterIdleMillis: Infinity, min: 1 })
    await openIdle(pool, 1)
    await clocks.stop(65_000)
    await pass(60_001)
    expect(await use(pool)).toBe(1)
    expect(driver.count('validate')).toBe(0)
    expect(changes).toEqual([thaw])
  })

  test('is lent as it is if the driver has no validate', async () => {
    const { clocks, pool, changes } = open({}, { hooks: ['watch'] })
    await openIdle(pool, 1)
    await clocks.sleep(5_000)
    expect(await use(pool)).toBe(1)
    expect(changes).toEqual([thaw])
  })
})

describe('connections without answers', () => {
  test('cost the first caller two timeouts, not one for each of them', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 8, validateTimeoutMillis: 2_000 })
    const ends = endsOf(pool)
    await openIdle(pool, 8)
    await pass(10_000)
    driver.plans.validate = 'hang'
    driver.plans.destroy = 'hang'
    const caller = follow(idOf(pool.acquire()))
    expect(driver.count('validate')).toBe(1)
    await pass(2_000)
    expect(driver.count('validate')).toBe(8)
    await pass(2_000)
    expect(caller.outcome).toEqual({ state: 'fulfilled', value: 9 })
    // A polite close would have taken time, too.
    expect(driver.count('destroy')).toBe(0)
    expect(driver.count('discard')).toBe(8)
    expect(ends).toEqual(Array.from({ length: 8 }, () => 'invalid'))
  })

  test('make the caller get the first other connection that answers', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 3 })
    await openIdle(pool, 3)
    await pass(10_000)
    driver.plans.validate = 'hang'
    driver.plans.destroy = 'hang'
    const caller = follow(idOf(pool.acquire()))
    driver.plans.validate = 'pass'
    await pass(2_000)
    expect(caller.outcome).toEqual({ state: 'fulfilled', value: 1 })
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 1, size: 2 })
  })

  test('do not cause another validation of resources that proved to work meanwhile', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 3 })
    const [lease, ...others] = await acquireMany(pool, 3)
    for (const other of others) other.release()
    await pass(10_000)
    driver.plans.validate = 'hang'
    const caller = pool.acquire()
    driver.plans.validate = 'pass'
    lease?.release()
    ;(await caller).release()
    await pass(2_000)
    const validated = driver.calls.filter(({ hook }) => hook === 'validate')
    expect(validated.map(({ id }) => id)).toEqual([3, 2])
  })

  test('are replaced by others without waiting for a slow close', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 2 })
    await openIdle(pool, 2)
    await pass(10_000)
    driver.plans.destroy = 'hang'
    driver.valid = false
    const caller = follow(idOf(pool.acquire()))
    driver.valid = true
    await settled()
    expect(pool.stats.destroying).toBe(1)
    expect(caller.outcome).toEqual({ state: 'fulfilled', value: 1 })
  })

  test('are found by one keepalive for all', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 30_000, min: 0 })
    const [first, second] = await acquireMany(pool, 2)
    first?.release()
    await pass(15_000)
    second?.release()
    driver.valid = false
    await pass(15_001)
    expect(pool.stats.size).toBe(0)
  })
})
