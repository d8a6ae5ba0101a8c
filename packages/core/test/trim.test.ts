import { describe, expect, test } from 'vitest'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('trim', () => {
  test('ends the idle resources beyond `min`, those idle for longest first', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2, max: 5 })
    const ends = endsOf(pool)
    await openIdle(pool, 5)
    expect(pool.trim()).toBe(3)
    await settled()
    expect(driver.open.map(({ id }) => id)).toEqual([4, 5])
    expect(ends).toEqual(['trim', 'trim', 'trim'])
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
    expect(pool.trim()).toBe(0)
  })

  test('ends no more than `count`, and none that is lent', async () => {
    const pool = openPool(new FakeDriver(), { max: 5 })
    const leases = await acquireMany(pool, 5)
    for (const lease of leases.slice(2)) lease.release()
    expect(pool.trim(0)).toBe(0)
    expect(pool.trim(2)).toBe(2)
    expect(pool.trim(Infinity)).toBe(1)
    expect(pool.trim()).toBe(0)
    await settled()
    expect(pool.stats).toMatchObject({ size: 2, borrowed: 2 })
    expect(leases.slice(0, 2).every(({ active }) => active)).toBe(true)
  })

  test('counts lent resources towards `min`', async () => {
    const pool = openPool(new FakeDriver(), { min: 3, max: 5 })
    const leases = await acquireMany(pool, 5)
    for (const lease of leases.slice(2)) lease.release()
    expect(pool.trim()).toBe(2)
    expect(pool.stats.idle).toBe(1)
  })

  test('ends nothing that another process owns, nor in a closed pool', async () => {
    const driver = new FakeDriver()
    const process = new FakeProcess()
    const pool = process.pool(driver, { max: 3 })
    await openIdle(pool, 3)
    process.fork()
    expect(pool.trim()).toBe(0)
    expect(driver.count('destroy')).toBe(0)
    expect(driver.count('discard')).toBe(3)
    await pool.close()
    expect(pool.trim()).toBe(0)
  })

  test.each([-1, 1.5, NaN, '2', null, {}])('refuses %s', async (count) => {
    const pool = openPool(new FakeDriver(), { name: 'trimmed' })
    await openIdle(pool, 1)
    expect(() => pool.trim(count as number)).toThrow(
      'Pool "trimmed", `trim`: expected the count to be a whole number of at least 0, or Infinity, got',
    )
    expect(pool.stats.idle).toBe(1)
  })
})

describe('lease.active', () => {
  test('is true until the lease is released or destroyed', async () => {
    const pool = openPool(new FakeDriver())
    const [first, second] = await acquireMany(pool, 2)
    expect([first?.active, second?.active]).toEqual([true, true])
    first?.release()
    second?.destroy()
    expect([first?.active, second?.active]).toEqual([false, false])
    const again = await pool.acquire()
    expect([first?.active, again.active]).toEqual([false, true])
  })

  test('is false once the resource is lost, the pool has closed, or the process has changed', async () => {
    const driver = new FakeDriver()
    const process = new FakeProcess()
    const pool = process.pool(driver)
    const [lost, inherited] = await acquireMany(pool, 2)
    driver.resource(1).lose()
    expect(lost?.active).toBe(false)
    process.fork()
    expect(inherited?.active).toBe(false)
    const closed = await pool.acquire()
    const closing = pool.close({ deadlineMillis: 0 })
    await pass(0)
    expect(closed.active).toBe(false)
    await closing
  })
})
