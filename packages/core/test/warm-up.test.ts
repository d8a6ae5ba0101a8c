import { describe, expect, test, vi } from 'vitest'
import { CreateError, PoolClosedError } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('warmUp', () => {
  test('resolves when min resources are open', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { min: 3 })
    const warm = follow(pool.warmUp())
    await pass(99)
    expect(warm.outcome.state).toBe('pending')
    await pass(1)
    expect(warm.outcome.state).toBe('fulfilled')
    expect(pool.stats).toMatchObject({ size: 3, idle: 3 })
  })

  test('opens them concurrently, while the pool itself opens one after another', async () => {
    const slow = { afterMillis: 100, outcome: 'pass' } as const
    const alone = new FakeDriver()
    alone.plans.create = slow
    openPool(alone, { min: 3 })
    await pass(50)
    expect(alone.count('create')).toBe(1)

    const warmed = new FakeDriver()
    warmed.plans.create = slow
    const pool = openPool(warmed, { min: 3 })
    follow(pool.warmUp())
    expect(warmed.count('create')).toBe(3)
    await pass(250)
    expect(alone.open).toHaveLength(3)
  })

  test('opens one resource if min is 0', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver)
    const warm = follow(pool.warmUp())
    await pass(0)
    expect(warm.outcome.state).toBe('pending')
    driver.settle('create')
    await settled()
    expect(warm.outcome.state).toBe('fulfilled')
    await pool.warmUp()
    expect(driver.count('create')).toBe(1)
  })

  test.each(['fatal', 'transient', 'full', 'single'] as const)(
    'rejects if min is 0 and the only create fails: %s',
    async (kind) => {
      const driver = new FakeDriver({ hooks: ['classify'] })
      driver.failureKind = kind
      driver.plans.create = 'reject'
      expect(await errorOf(openPool(driver).warmUp())).toBeInstanceOf(CreateError)
    },
  )

  test('resolves at once if min is 0 and a resource is borrowed', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await pool.acquire()
    await pool.warmUp()
    expect(driver.count('create')).toBe(1)
  })

  test('is bounded by its signal if min is 0', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const controller = new AbortController()
    const error = errorOf(openPool(driver).warmUp({ signal: controller.signal }))
    const reason = new Error('no server in time')
    controller.abort(reason)
    expect(await error).toBe(reason)
  })

  test('resolves at once if min is open', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 1 })
    await pool.warmUp()
    await pool.warmUp()
    expect(driver.count('create')).toBe(1)
  })

  test('counts borrowed resources', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2 })
    await acquireMany(pool, 2)
    await pool.warmUp()
    expect(driver.count('create')).toBe(2)
  })

  test('rejects with the reason when one cannot be opened', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 2, name: 'cold' })
    const error = await errorOf(pool.warmUp())
    expect(error).toBeInstanceOf(CreateError)
    expect(error).toMatchObject({
      pool: 'cold',
      code: 'FORKSAFE_CREATE_FAILED',
      cause: { message: 'create failed' },
    })
  })

  test('rejects when a create hangs, after its timeout', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { min: 1, createTimeoutMillis: 500 })
    const warm = follow(pool.warmUp())
    await pass(501)
    expect(warm.outcome).toHaveProperty('error', expect.any(CreateError))
  })

  test('waits for as long as a create may take', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { min: 1, createTimeoutMillis: Infinity })
    const warm = follow(pool.warmUp())
    await pass(2 ** 32)
    expect(warm.outcome.state).toBe('pending')
    driver.settle('create')
    await settled()
    expect(warm.outcome.state).toBe('fulfilled')
  })

  test('can be retried, and resolves when the server is back', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 2 })
    await errorOf(pool.warmUp())
    driver.plans.create = 'pass'
    const warm = follow(pool.warmUp())
    await pass(5_000)
    expect(warm.outcome.state).toBe('fulfilled')
    expect(pool.stats.idle).toBe(2)
  })

  test('rejects when its signal aborts, and the pool continues', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { min: 2 })
    const controller = new AbortController()
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const error = errorOf(pool.warmUp({ signal: controller.signal }))
    const reason = new Error('shutting down')
    controller.abort(reason)
    expect(await error).toBe(reason)
    expect(removed).toHaveBeenCalled()
    await pass(1_000)
    expect(pool.stats.idle).toBe(2)
  })

  test('rejects at once with a signal that has already aborted', async () => {
    const pool = openPool(new FakeDriver())
    const reason = new Error('too late')
    expect(await errorOf(pool.warmUp({ signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  test('rejects when the pool is closed', async () => {
    const pool = openPool(new FakeDriver(), { min: 1 })
    await pool.close()
    expect(await errorOf(pool.warmUp())).toBeInstanceOf(PoolClosedError)
  })

  test('resolves when a lowered min is open', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { min: 2, maxConnecting: 1 })
    const warm = follow(pool.warmUp())
    driver.settle('create')
    await settled()
    expect(warm.outcome.state).toBe('pending')
    pool.resize({ min: 0 })
    await pass(0)
    expect(warm.outcome.state).toBe('fulfilled')
  })

  test('can be called concurrently', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { min: 2 })
    const warmUps = [pool.warmUp(), pool.warmUp(), pool.warmUp()]
    await pass(100)
    await Promise.all(warmUps)
    expect(driver.count('create')).toBe(2)
  })
})
