import { describe, expect, test } from 'vitest'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, openIdle, openPool } from './support/pools.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('a raised max', () => {
  test('immediately opens resources for waiting callers', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    await pool.acquire()
    const waiters = [follow(pool.acquire()), follow(pool.acquire()), follow(pool.acquire())]
    pool.resize({ max: 3 })
    await settled()
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual([
      'fulfilled',
      'fulfilled',
      'pending',
    ])
    expect(pool.stats).toMatchObject({ max: 3, size: 3, borrowed: 3, waiting: 1 })
  })

  test('does not change min', () => {
    const pool = openPool(new FakeDriver(), { min: 2, max: 3 })
    pool.resize({ max: 5 })
    expect(pool.stats).toMatchObject({ min: 2, max: 5 })
  })
})

describe('a lowered max', () => {
  test('ends idle resources at once, those idle for longest first', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 4 })
    const ends = endsOf(pool)
    await openIdle(pool, 4)
    pool.resize({ max: 1 })
    expect(pool.stats).toMatchObject({ idle: 1, destroying: 3 })
    await settled()
    expect(driver.open.map(({ id }) => id)).toEqual([4])
    expect(ends).toEqual(['resize', 'resize', 'resize'])
  })

  test('does not disturb holders: surplus resources end at release', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 4 })
    const ends = endsOf(pool)
    const leases = await acquireMany(pool, 4)
    pool.resize({ max: 2 })
    await settled()
    expect(driver.open).toHaveLength(4)
    for (const lease of leases) {
      lease.release()
      await settled()
    }
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
    expect(ends).toEqual(['resize', 'resize'])
  })

  test('ends only the surplus, however slow the destroys are', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = { afterMillis: 1_000, outcome: 'pass' }
    const pool = openPool(driver, { max: 4 })
    const leases = await acquireMany(pool, 4)
    pool.resize({ max: 2 })
    for (const lease of leases) lease.release()
    expect(pool.stats).toMatchObject({ destroying: 2, idle: 2 })
    await pass(1_000)
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
    expect(driver.count('destroy')).toBe(2)
  })

  test('opens nothing until there is room below it', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3 })
    const leases = await acquireMany(pool, 3)
    const waiter = follow(pool.acquire())
    pool.resize({ max: 1 })
    leases[0]?.release()
    leases[1]?.release()
    await settled()
    expect(waiter.outcome.state).toBe('pending')
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
    leases[2]?.release()
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(driver.count('create')).toBe(3)
  })

  test('ends surplus creates', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { min: 0, max: 4 })
    const waiters = Array.from({ length: 4 }, () => follow(pool.acquire()))
    pool.resize({ max: 2 })
    await pass(100)
    expect(waiters.filter(({ outcome }) => outcome.state === 'fulfilled')).toHaveLength(2)
    expect(pool.stats).toMatchObject({ size: 2, borrowed: 2, waiting: 2 })
  })

  test('that is raised again keeps borrowed resources', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 4 })
    const leases = await acquireMany(pool, 4)
    pool.resize({ max: 1 })
    pool.resize({ max: 4 })
    for (const lease of leases) lease.release()
    await settled()
    expect(driver.count('destroy')).toBe(0)
    expect(pool.stats.idle).toBe(4)
  })

  test('ends surplus resources that are being validated', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 2 })
    await openIdle(pool, 2)
    await pass(1_000)
    driver.plans.validate = { afterMillis: 100, outcome: 'pass' }
    const waiters = [follow(pool.acquire()), follow(pool.acquire())]
    pool.resize({ max: 1 })
    await pass(100)
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual(['fulfilled', 'pending'])
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })
})

describe('min', () => {
  test('raised opens resources', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    pool.resize({ min: 3 })
    await settled()
    expect(pool.stats).toMatchObject({ min: 3, size: 3, idle: 3 })
  })

  test('lowered ends resources that have exceeded the idle timeout', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 3, idleTimeoutMillis: 1_000 })
    await pool.warmUp()
    await pass(60_000)
    expect(pool.stats.idle).toBe(3)
    pool.resize({ min: 1 })
    await pass(1_001)
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })

  test('and max change together, or not at all', async () => {
    const pool = openPool(new FakeDriver(), { min: 1, max: 2 })
    expect(() => pool.resize({ min: 3 })).toThrow(TypeError)
    expect(() => pool.resize({ max: 0 })).toThrow(TypeError)
    expect(() => pool.resize({ min: 5, max: 4 })).toThrow(TypeError)
    expect(pool.stats).toMatchObject({ min: 1, max: 2 })
    pool.resize({ min: 4, max: 5 })
    expect(pool.stats).toMatchObject({ min: 4, max: 5 })
    pool.resize({})
    pool.resize({ min: undefined, max: undefined })
    expect(pool.stats).toMatchObject({ min: 4, max: 5 })
  })
})
