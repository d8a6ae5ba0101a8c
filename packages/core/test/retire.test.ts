import { describe, expect, test } from 'vitest'
import type { Driver } from '../src/index.ts'
import { createForkSafePool } from '../src/index.ts'
import { createPool } from '../src/generic-pool/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, idOf, openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('a resource that announces its end', () => {
  test('is destroyed at once when it is idle, and is never lent again', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    await openIdle(pool, 2)
    driver.resource(2).retire()
    expect(pool.stats).toMatchObject({ idle: 1, destroying: 1, borrowed: 0 })
    expect(await idOf(pool.acquire())).toBe(1)
    expect(await idOf(pool.acquire())).toBe(3)
    expect(ends).toEqual(['retire'])
    expect(driver.resource(2)).toMatchObject({ destroys: 1, discards: 0 })
  })

  test('stays with its holder, and is destroyed without a reset when it comes back', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    const waiter = pool.acquire()
    driver.resource(1).retire()
    await pass(10_000)
    expect(lease.active).toBe(true)
    expect(lease.resource.open).toBe(true)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, waiting: 1, destroying: 0 })
    lease.release()
    expect(await idOf(waiter)).toBe(2)
    expect(ends).toEqual(['retire'])
    expect(driver.count('reset')).toBe(0)
  })

  test('can still be lost, or destroyed by its holder', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const [first, second] = await acquireMany(pool, 2)
    driver.resource(1).retire()
    driver.resource(2).retire()
    driver.resource(1).lose()
    second?.destroy()
    await settled()
    expect(first?.active).toBe(false)
    expect(ends.sort()).toEqual(['broken', 'lost'])
    expect(pool.stats).toMatchObject({ size: 0 })
  })

  test.each(['validate', 'reset'] as const)(
    'during its %s is not lent afterwards, and a waiting caller gets another one at once',
    async (hook) => {
      const driver = new FakeDriver({ hooks: ['watch', hook] })
      const pool = openPool(driver, { max: 2 })
      const ends = endsOf(pool)
      const lease = await pool.acquire()
      driver.plans[hook] = 'hang'
      lease.release()
      await pass(1_000)
      const waiter = pool.acquire()
      driver.resource(1).retire()
      expect(await idOf(waiter)).toBe(2)
      driver.settle(hook)
      await settled()
      expect(ends).toEqual(['retire'])
      expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
    },
  )

  test('during a keepalive does not become idle again', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { keepaliveMillis: 1_000 })
    const ends = endsOf(pool)
    await openIdle(pool, 1)
    driver.onCall = (hook, resource) => hook === 'validate' && resource?.retire()
    await pass(1_001)
    expect(ends).toEqual(['retire'])
  })

  test.each(['reset', 'ref', 'unref'] as const)(
    'in the middle of %s is not lent to the next caller',
    async (hook) => {
      const driver = new FakeDriver({ hooks: ['watch', hook] })
      const pool = openPool(driver)
      const ends = endsOf(pool)
      await openIdle(pool, 1)
      driver.onCall = (called, resource) => called === hook && resource?.retire()
      const lease = await pool.acquire()
      expect(lease.resource.id).toBe(1)
      lease.release()
      driver.onCall = () => undefined
      expect(await idOf(pool.acquire())).toBe(2)
      expect(ends).toEqual(['retire'])
    },
  )

  test('when isUsable is asked is not lent', async () => {
    const fake = new FakeDriver()
    const driver: Driver<FakeDriver['resources'][number], unknown> = {
      name: 'fake',
      create: (connection, context) => fake.create(connection, context),
      destroy: (resource) => fake.destroy(resource),
      discard: (resource) => fake.discard(resource),
      watch: (resource, lost, retire) => fake.watch?.(resource, lost, retire),
      isUsable(resource) {
        if (resource.id === 1) resource.retire()
        return true
      },
    }
    const pool = createForkSafePool(driver, { connection: 'db' })
    const first = await pool.acquire()
    first.release()
    expect(await idOf(pool.acquire())).toBe(2)
  })

  test('is replaced if min requires it', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2 })
    await pool.warmUp()
    await openIdle(pool, 2)
    const lease = await pool.acquire()
    driver.resource(1).retire()
    driver.resource(2).retire()
    await settled()
    expect(pool.stats).toMatchObject({ size: 2, idle: 1, borrowed: 1 })
    lease.release()
    await settled()
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
    expect(driver.open.map(({ id }) => id)).toEqual([3, 4])
  })

  test('before it is ever lent is not lent, and the next ones are opened with pauses', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3 })
    const ends = endsOf(pool)
    driver.onCall = (hook, resource) => {
      if (hook === 'watch') resource?.retire()
      // Without this, a pool that does not pause would block the event loop.
      if (driver.count('create') > 500) driver.plans.create = 'hang'
    }
    const waiter = follow(pool.acquire({ timeoutMillis: 2_000 }))
    await pass(2_001)
    expect(waiter.outcome).toMatchObject({
      state: 'rejected',
      error: { code: 'FORKSAFE_ACQUIRE_TIMEOUT', cause: { message: /retired/ } },
    })
    expect(driver.count('create')).toBeLessThan(50)
    expect(new Set(ends)).toEqual(new Set(['retire']))
    expect(pool.stats).toMatchObject({ waiting: 0, size: 0 })
  })

  test('can announce it repeatedly, also after it has ended', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    await openIdle(pool, 1)
    driver.resource(1).retire()
    driver.resource(1).retire()
    await settled()
    driver.resource(1).retire()
    const lease = await pool.acquire()
    driver.resource(2).retire()
    driver.resource(2).retire()
    lease.release()
    driver.resource(2).retire()
    await settled()
    expect(ends).toEqual(['retire', 'retire'])
    expect(driver.count('destroy')).toBe(2)
    expect(await idOf(pool.acquire())).toBe(3)
  })

  test('before a recycle ends once', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    driver.resource(1).retire()
    pool.recycle()
    driver.resource(1).retire()
    lease.release()
    await settled()
    expect(ends).toEqual(['retire'])
  })

  test('does not prevent the pool from closing', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const lease = await pool.acquire()
    const closed = follow(pool.close())
    driver.resource(1).retire()
    await settled()
    expect(closed.outcome.state).toBe('pending')
    lease.release()
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test.each(['idle', 'lent'])(
    'in a forked child is ignored there: the parent’s %s resource is only discarded',
    async (state) => {
      const process = new FakeProcess()
      const driver = new FakeDriver()
      const pool = process.pool(driver)
      const lease = await pool.acquire()
      if (state === 'idle') lease.release()
      process.fork()
      driver.resource(1).retire()
      await settled()
      expect(driver.resource(1)).toMatchObject({ destroys: 0, discards: 1 })
      expect(pool.stats).toMatchObject({ size: 0, generation: 2 })
      driver.resource(1).retire()
      expect(await idOf(pool.acquire())).toBe(2)
    },
  )

  test('is not lent again by the drop-in for generic-pool', async () => {
    const retires: (() => void)[] = []
    let opened = 0
    const pool = createPool({
      create: async () => ({ id: ++opened }),
      destroy: async () => undefined,
      watch: (_resource, _lost, retire) => void retires.push(retire),
    })
    const first = await pool.acquire()
    retires[0]?.()
    await pool.release(first)
    const second = await pool.acquire()
    expect(second.id).toBe(2)
    await pool.release(second)
    retires[1]?.()
    expect((await pool.acquire()).id).toBe(3)
  })
})
