import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PoolEvents } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, type FakePool, idOf, openIdle, openPool } from './support/pools.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

beforeEach(() => {
  // Disables the jitter of lifetimes.
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('an idle resource', () => {
  test('is destroyed after idleTimeoutMillis, and not before', async () => {
    const pool = openPool(new FakeDriver(), { idleTimeoutMillis: 10_000 })
    const ends = endsOf(pool)
    await openIdle(pool, 2)
    await pass(9_900)
    expect(pool.stats.idle).toBe(2)
    await pass(1_200)
    expect(pool.stats).toMatchObject({ idle: 0, size: 0 })
    expect(ends).toEqual(['idle', 'idle'])
  })

  test('stays for a minute by default', async () => {
    const pool = openPool(new FakeDriver())
    await openIdle(pool, 1)
    await pass(59_000)
    expect(pool.stats.idle).toBe(1)
    await pass(2_100)
    expect(pool.stats.idle).toBe(0)
  })

  test('stays without limit with Infinity', async () => {
    const pool = openPool(new FakeDriver(), {
      idleTimeoutMillis: Infinity,
      maxLifetimeMillis: Infinity,
    })
    await openIdle(pool, 1)
    await pass(30 * 86_400_000)
    expect(pool.stats.idle).toBe(1)
  })

  test('stays if it is one of min', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2, idleTimeoutMillis: 1_000 })
    await openIdle(pool, 5)
    await pass(60_000)
    expect(pool.stats).toMatchObject({ idle: 2, size: 2 })
    expect(driver.count('create')).toBe(5)
  })

  test('counts as one of min only after a caller needed it, if eager is false', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2, eager: false, idleTimeoutMillis: 1_000 })
    await pass(10_000)
    expect(driver.count('create')).toBe(0)
    await openIdle(pool, 3)
    await pass(10_000)
    expect(pool.stats).toMatchObject({ idle: 2, size: 2 })
    driver.open[0]?.lose()
    await pass(10_000)
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
    await pool.warmUp()
    expect(pool.stats).toMatchObject({ idle: 2, size: 2 })
  })

  test('is not surplus while another of min is borrowed', async () => {
    const pool = openPool(new FakeDriver(), { min: 2, idleTimeoutMillis: 1_000 })
    await openIdle(pool, 3)
    const lease = await pool.acquire()
    await pass(10_000)
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 1 })
    lease.release()
  })

  test('counts its idle time from its last use', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { idleTimeoutMillis: 60_000 })
    await openIdle(pool, 1)
    for (let use = 0; use < 10; use++) {
      await pass(50_000)
      expect(await pool.use((resource) => resource.id)).toBe(1)
    }
    await pass(59_000)
    expect(pool.stats.idle).toBe(1)
    await pass(2_100)
    expect(pool.stats.idle).toBe(0)
  })

  test('at the bottom of a busy stack is destroyed, even if others above it are used', async () => {
    const pool = openPool(new FakeDriver(), { idleTimeoutMillis: 10_000 })
    await openIdle(pool, 3)
    for (let use = 0; use < 15; use++) {
      await pool.use(() => pass(1_000))
    }
    expect(pool.stats).toMatchObject({ size: 1 })
  })
})

describe('the lifetime of a resource', () => {
  test('ends after maxLifetimeMillis if it is idle, and min is refilled', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 1, maxLifetimeMillis: 10_000 })
    const ends = endsOf(pool)
    await pool.warmUp()
    await pass(9_900)
    expect(ends).toEqual([])
    await pass(1_200)
    expect(ends).toEqual(['lifetime'])
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
    expect(driver.open.map(({ id }) => id)).toEqual([2])
  })

  test.each(['with', 'without'])(
    'also ends if the resource passes from holder to holder, with a driver %s a reset',
    async (reset) => {
      const driver = new FakeDriver({ hooks: reset === 'with' ? ['reset'] : [] })
      const pool = openPool(driver, { max: 1, maxLifetimeMillis: 1_000 })
      const served = Promise.all(
        Array.from({ length: 40 }, () =>
          pool.use(async ({ id }) => {
            await new Promise((resolve) => setTimeout(resolve, 50))
            return id
          }),
        ),
      )
      await pass(2_100)
      expect(new Set(await served)).toEqual(new Set([1, 2]))
    },
  )

  test('ends at release if it is borrowed, never while it is held', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    const pool = openPool(driver, { maxLifetimeMillis: 10_000 })
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    await pass(20_000)
    expect(lease.resource.open).toBe(true)
    lease.release()
    await settled()
    expect(ends).toEqual(['lifetime'])
    expect(driver.count('reset')).toBe(0)
  })

  test('also ends at release without a reset hook, with or without waiting callers', async () => {
    const pool = openPool(new FakeDriver(), { max: 1, maxLifetimeMillis: 10_000 })
    const ends = endsOf(pool)
    const first = await pool.acquire()
    await pass(20_000)
    first.release()
    expect(ends).toEqual([])
    await settled()
    expect(ends).toEqual(['lifetime'])

    const second = await pool.acquire()
    await pass(20_000)
    const waiting = pool.acquire()
    second.release()
    expect((await waiting).resource.id).toBe(3)
    expect(ends).toEqual(['lifetime', 'lifetime'])
  })

  test('is randomly shortened by up to a tenth', async () => {
    const chances = [0, 0.5, 1]
    vi.mocked(Math.random).mockImplementation(() => chances.shift() ?? 0)
    const driver = new FakeDriver()
    const pool = openPool(driver, { maxLifetimeMillis: 100_000, idleTimeoutMillis: Infinity })
    await openIdle(pool, 3)
    const openAt = async (millis: number): Promise<number[]> => {
      await pass(millis)
      return driver.open.map(({ id }) => id)
    }
    expect(await openAt(89_000)).toEqual([1, 2, 3])
    expect(await openAt(2_500)).toEqual([1, 2])
    expect(await openAt(5_000)).toEqual([1])
    expect(await openAt(2_400)).toEqual([1])
    expect(await openAt(2_500)).toEqual([])
  })

  test('that ends on the way to a waiting caller does not make it wait for the slow destroy', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    const pool = openPool(driver, { maxLifetimeMillis: 1_000 })
    const lease = await pool.acquire()
    driver.plans.reset = { afterMillis: 1_100, outcome: 'pass' }
    driver.plans.destroy = 'hang'
    lease.release()
    const waiter = pool.acquire()
    await pass(1_050)
    const next = pool.acquire()
    await pass(50)
    expect(await idOf(waiter)).toBe(2)
    expect(await idOf(next)).toBe(3)
    expect(pool.stats).toMatchObject({ destroying: 1, borrowed: 2 })
  })

  test('that ends does not make min wait for the slow destroy', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { min: 1, maxLifetimeMillis: 1_000 })
    await pool.warmUp()
    await pass(1_001)
    expect(pool.stats).toMatchObject({ destroying: 1, idle: 1 })
  })

  test('is half an hour by default', async () => {
    const pool = openPool(new FakeDriver(), { min: 1 })
    const ends = endsOf(pool)
    await pool.warmUp()
    await pass(1_799_000)
    expect(ends).toEqual([])
    await pass(2_500)
    expect(ends).toEqual(['lifetime'])
  })
})

describe('maxUses', () => {
  test('ends a resource after that number of uses', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { maxUses: 3 })
    const ends = endsOf(pool)
    const ids: number[] = []
    for (let use = 0; use < 7; use++) {
      ids.push(await pool.use(({ id }) => id))
      await settled()
    }
    expect(ids).toEqual([1, 1, 1, 2, 2, 2, 3])
    expect(ends).toEqual(['uses', 'uses'])
  })

  test('of 1 gives every resource one holder', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { maxUses: 1, max: 2 })
    const ids = await Promise.all(Array.from({ length: 6 }, () => pool.use(({ id }) => id)))
    expect(new Set(ids).size).toBe(6)
    expect(driver.mostAtOnce).toBeLessThanOrEqual(2)
  })
})

describe('keepalive', () => {
  test('validates an idle resource each time the interval has passed', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 10_000, idleTimeoutMillis: Infinity })
    await openIdle(pool, 2)
    await pass(9_000)
    expect(driver.count('validate')).toBe(0)
    await pass(2_100)
    expect(driver.count('validate')).toBe(2)
    await pass(33_000)
    expect(driver.count('validate')).toBe(8)
    expect(pool.stats).toMatchObject({ idle: 2, size: 2 })
  })

  test('is off by default', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { min: 1 })
    await openIdle(pool, 1)
    await pass(600_000)
    expect(driver.count('validate')).toBe(0)
  })

  test('ends resources that no longer work, and min is refilled', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { min: 1, keepaliveMillis: 10_000 })
    const ends = endsOf(pool)
    await pool.warmUp()
    driver.valid = false
    await pass(11_000)
    expect(ends).toEqual(['invalid'])
    expect(driver.open.map(({ id }) => id)).toEqual([2])
  })

  test('does not affect borrowed resources', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 1_000 })
    await pool.acquire()
    await pass(60_000)
    expect(driver.count('validate')).toBe(0)
  })

  test('does not keep a resource beyond its idleTimeoutMillis', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 1_000, idleTimeoutMillis: 10_000 })
    const ends = endsOf(pool)
    await openIdle(pool, 1)
    await pass(12_000)
    expect(ends).toEqual(['idle'])
  })

  test('spares the next caller a validation', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, {
      keepaliveMillis: 10_000,
      idleTimeoutMillis: Infinity,
      validateAfterIdleMillis: 15_000,
    })
    await openIdle(pool, 1)
    await pass(22_000)
    const validations = driver.count('validate')
    expect(validations).toBe(2)
    await pool.acquire()
    expect(driver.count('validate')).toBe(validations)
  })

  test('keeps the order in which resources are lent', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 1_000, idleTimeoutMillis: Infinity })
    await openIdle(pool, 3)
    await pass(1_300)
    const leases = await acquireMany(pool, 3)
    expect(leases.map(({ resource }) => resource.id)).toEqual([3, 2, 1])
  })

  test('that ends with the resource going to a waiting caller counts its idle time from the release', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { keepaliveMillis: 600, idleTimeoutMillis: 1_000, max: 1 })
    await openIdle(pool, 1)
    driver.plans.validate = { afterMillis: 10, outcome: 'pass' }
    await pass(605)
    const waiter = pool.acquire()
    await pass(10)
    ;(await waiter).release()
    await pass(500)
    expect(pool.stats.idle).toBe(1)
    await pass(501)
    expect(pool.stats.idle).toBe(0)
  })

  test('does nothing if the driver has no validate', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { keepaliveMillis: 1_000 })
    await openIdle(pool, 1)
    await pass(30_000)
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })
})

describe('a leak', () => {
  type Leak = PoolEvents['leak'][0]
  function leaksOf(pool: FakePool): Leak[] {
    const leaks: Leak[] = []
    pool.on('leak', (leak) => leaks.push(leak))
    return leaks
  }
  const forgetful = (pool: FakePool) => pool.acquire()

  test('is also reported while the pool closes, which may be waiting for it', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 5_000 })
    const leaks = leaksOf(pool)
    await forgetful(pool)
    const closed = follow(pool.close({ deadlineMillis: 10_000 }))
    await pass(6_500)
    expect(leaks).toHaveLength(1)
    expect(closed.outcome.state).toBe('pending')
    await pass(4_000)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is reported once, with the stack of the acquire', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 5_000 })
    const leaks = leaksOf(pool)
    await openIdle(pool, 1)
    const lease = await forgetful(pool)
    await pass(4_900)
    expect(leaks).toEqual([])
    await pass(1_500)
    expect(leaks).toHaveLength(1)
    expect(leaks[0]).toMatchObject({ generation: 1 })
    expect(leaks[0]?.heldMillis).toBeGreaterThanOrEqual(5_000)
    expect(leaks[0]?.heldMillis).toBeLessThan(6_500)
    expect(leaks[0]?.stack).toContain('forgetful')
    await pass(60_000)
    expect(leaks).toHaveLength(1)
    expect(lease.resource.open).toBe(true)
  })

  test('of a caller that had to wait also has the stack of the acquire', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 1_000, max: 1 })
    const leaks = leaksOf(pool)
    const first = await pool.acquire()
    const waiter = forgetful(pool)
    first.release()
    await waiter
    await pass(1_500)
    expect(leaks).toHaveLength(1)
    expect(leaks[0]?.stack).toContain('forgetful')
  })

  test('is not reported for a lease with leakDetectionMillis 0', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 1_000, max: 1 })
    const leaks = leaksOf(pool)
    const first = await pool.acquire()
    first.release()
    const listening = await pool.acquire({ leakDetectionMillis: 0 })
    await pass(60_000)
    expect(leaks).toEqual([])
    listening.release()
    await pool.acquire()
    await pass(2_000)
    expect(leaks).toHaveLength(1)
  })

  test('is reported for an acquire with leakDetectionMillis in a pool without it', async () => {
    const pool = openPool(new FakeDriver(), { max: 2 })
    const leaks = leaksOf(pool)
    await pool.acquire({ leakDetectionMillis: 500 })
    await pool.acquire()
    await pass(60_000)
    expect(leaks).toHaveLength(1)
    expect(leaks[0]?.heldMillis).toBeLessThan(1_500)
  })

  test('of a caller for whom a resource was opened also has the stack of the acquire', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 1_000 })
    const leaks = leaksOf(pool)
    await forgetful(pool)
    await pass(1_500)
    expect(leaks[0]?.stack).toContain('forgetful')
  })

  test('is not reported if the lease was released in time', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 1_000 })
    const leaks = leaksOf(pool)
    for (let use = 0; use < 10; use++) await pool.use(() => pass(900))
    expect(leaks).toEqual([])
  })

  test('is not reported right after an acquire that followed a long idle time', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 2_000 })
    const leaks = leaksOf(pool)
    await openIdle(pool, 1)
    await pass(30_000)
    const lease = await pool.acquire()
    await pass(1_500)
    expect(leaks).toEqual([])
    lease.release()
  })

  test('does not cost a stack if leak detection is off', async () => {
    const pool = openPool(new FakeDriver())
    await openIdle(pool, 1)
    const created = vi.fn<() => void>()
    vi.stubGlobal(
      'Error',
      class extends Error {
        constructor(message?: string) {
          super(message)
          created()
        }
      },
    )
    try {
      const leases = [pool.acquire(), pool.acquire({ priority: 1 })]
      for (const lease of await Promise.all(leases)) lease.release()
    } finally {
      vi.unstubAllGlobals()
    }
    expect(created).not.toHaveBeenCalled()
  })

  test('is not reported by default', async () => {
    const pool = openPool(new FakeDriver())
    const leaks = leaksOf(pool)
    await pool.acquire()
    await pass(3_600_000)
    expect(leaks).toEqual([])
  })
})

describe('a validation before lending', () => {
  function open(validateAfterIdleMillis?: number) {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, {
      max: 1,
      idleTimeoutMillis: Infinity,
      ...(validateAfterIdleMillis === undefined ? {} : { validateAfterIdleMillis }),
    })
    return { driver, pool }
  }
  const use = (pool: FakePool): Promise<number> => pool.use(({ id }) => id)

  test('happens by default if the resource has been idle for longer than 30 s', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { validateAfterIdleMillis: undefined })
    await use(pool)
    await pass(29_999)
    await use(pool)
    expect(driver.count('validate')).toBe(0)
    await pass(30_001)
    await use(pool)
    expect(driver.count('validate')).toBe(1)
  })

  test('happens if the wall clock has jumped because the machine slept', async () => {
    const { driver, pool } = open()
    await use(pool)
    await pass(10)
    vi.setSystemTime(Date.now() + 3_600_000)
    await use(pool)
    expect(driver.count('validate')).toBe(1)
  })

  test('happens if the wall clock was set back, by the monotonic clock', async () => {
    const { driver, pool } = open()
    await use(pool)
    await pass(60_000)
    vi.setSystemTime(Date.now() - 60_000)
    await use(pool)
    expect(driver.count('validate')).toBe(1)
  })

  test('always happens with 0', async () => {
    const { driver, pool } = open(0)
    await use(pool)
    await use(pool)
    await use(pool)
    expect(driver.count('validate')).toBe(2)
  })

  test('never happens with Infinity', async () => {
    const { driver, pool } = open(Infinity)
    await use(pool)
    await pass(3_600_000 / 4)
    vi.setSystemTime(Date.now() + 3_600_000)
    await use(pool)
    expect(driver.count('validate')).toBe(0)
  })

  test('does not happen for a resource that was just opened or released', async () => {
    const { driver, pool } = open()
    const first = await pool.acquire()
    const waiter = pool.acquire()
    await pass(20_000)
    first.release()
    expect(await idOf(waiter)).toBe(1)
    expect(driver.count('validate')).toBe(0)
  })

  test('happens for the resource to lend only, not for all the others', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { idleTimeoutMillis: Infinity })
    await openIdle(pool, 5)
    await pass(60_000)
    await use(pool)
    expect(driver.calls.filter(({ hook }) => hook === 'validate')).toEqual([
      { hook: 'validate', id: 5 },
    ])
  })
})

describe('the timer', () => {
  test('is not set while nothing is due: an idle pool costs nothing', async () => {
    const pool = openPool(new FakeDriver(), {
      idleTimeoutMillis: Infinity,
      maxLifetimeMillis: Infinity,
    })
    await openIdle(pool, 3)
    await pass(2_000)
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1)
    const setTimeouts = vi.spyOn(globalThis, 'setTimeout')
    await pass(3_600_000)
    expect(setTimeouts).not.toHaveBeenCalled()
  })

  test('is the only one, however many resources there are', async () => {
    const pool = openPool(new FakeDriver({ hooks: ['validate'] }), {
      max: 50,
      keepaliveMillis: 60_000,
      leakDetectionMillis: 60_000,
    })
    await openIdle(pool, 50)
    await acquireMany(pool, 25)
    await pass(5_000)
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2)
  })

  test('is set again when a resource is released after an idle time', async () => {
    const pool = openPool(new FakeDriver(), { idleTimeoutMillis: 5_000 })
    await openIdle(pool, 1)
    await pass(60_000)
    expect(pool.stats.size).toBe(0)
    await openIdle(pool, 2)
    await pass(7_000)
    expect(pool.stats.size).toBe(0)
    const waiter = follow(pool.acquire())
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
  })
})
