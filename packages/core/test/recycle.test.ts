import { queryObjects } from 'node:v8'
import { describe, expect, test } from 'vitest'
import { Generation } from '../src/stock/generation.ts'
import { createForkSafePool } from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { acquireMany, endsOf, idOf, openIdle, openPool } from './support/pools.ts'
import { follow, microtasks, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('recycle', () => {
  test('ends idle resources, and opens the next ones with the current connection', async () => {
    const driver = new FakeDriver()
    let host = 'old'
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: () => host,
    })
    const ends = endsOf(pool)
    await openIdle(pool, 2)
    host = 'new'
    pool.recycle()
    expect(pool.stats).toMatchObject({ idle: 0, destroying: 2, generation: 2 })
    const lease = await pool.acquire()
    expect(lease.resource.openedWith).toBe('new')
    expect(lease.generation).toBe(2)
    expect(ends).toEqual(['recycle', 'recycle'])
  })

  test('does not disturb holders: borrowed resources end at release', async () => {
    const driver = new FakeDriver({ hooks: ['reset', 'watch'] })
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    pool.recycle()
    await pass(1_000)
    expect(lease.resource.open).toBe(true)
    expect(lease.generation).toBe(1)
    lease.release()
    await settled()
    expect(ends).toEqual(['recycle'])
    expect(driver.count('reset')).toBe(0)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0 })
  })

  test('never lends an old resource again, whatever its state was', async () => {
    const driver = new FakeDriver({ hooks: ['reset', 'validate', 'watch'] })
    const pool = openPool(driver, { max: 4 })
    const [resetting, validating] = await acquireMany(pool, 2)
    validating?.release()
    await pass(1_000)
    driver.plans.validate = { afterMillis: 100, outcome: 'pass' }
    driver.plans.reset = { afterMillis: 100, outcome: 'pass' }
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const waiters = [pool.acquire(), pool.acquire()]
    resetting?.release()
    pool.recycle()
    await pass(300)
    for (const waiter of waiters) expect((await waiter).generation).toBe(2)
    expect(pool.stats).toMatchObject({ size: 2, borrowed: 2, idle: 0 })
    expect(driver.open.map(({ id }) => id)).toEqual(
      (await Promise.all(waiters)).map(({ resource }) => resource.id),
    )
  })

  test('leaves nothing that a close after its deadline would not end', async () => {
    const pool = openPool(new FakeDriver(), { max: 2 })
    const ends = endsOf(pool)
    const old = await pool.acquire()
    pool.recycle()
    await pool.acquire()
    const closed = follow(pool.close({ deadlineMillis: 100 }))
    await pass(200)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(ends).toEqual(['close', 'close'])
    expect(() => old.resource).toThrow('the pool was closed')
  })

  test('counts the resource that an old create still opens, until it is destroyed', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { max: 2 })
    const waiter = follow(pool.acquire())
    pool.recycle()
    await settled()
    expect(pool.stats).toMatchObject({ size: 1, creating: 1, destroying: 0 })
    driver.settle('create')
    await settled()
    expect(pool.stats).toMatchObject({ generation: 2, size: 2, borrowed: 1, destroying: 1 })
    expect(waiter.outcome.state).toBe('fulfilled')
    driver.settle('destroy')
    await settled()
    expect(pool.stats).toMatchObject({ size: 1, destroying: 0 })
  })

  test('abandons creates without reporting failures, and opens new resources for waiting callers', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 1 })
    let failures = 0
    pool.on('createError', () => failures++)
    const waiter = pool.acquire()
    driver.plans.create = 'pass'
    pool.recycle()
    expect(driver.signals[0]?.aborted).toBe(true)
    const lease = await waiter
    expect(lease.generation).toBe(2)
    expect(failures).toBe(0)
    expect(driver.mostAtOnce).toBe(1)
  })

  test('opens nothing more in the old generation, however shortly after an open', async () => {
    for (let rounds = 0; rounds < 20; rounds++) {
      const driver = new FakeDriver()
      driver.plans.create = 'hang'
      let asked = 0
      const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
        connection: () => asked++,
      })
      const first = pool.acquire()
      await settled()
      driver.plans.create = 'pass'
      driver.settle('create')
      // In some of these rounds, generic-pool has not finished the first create and delays the second one.
      await microtasks(rounds)
      const second = pool.acquire()
      const askedBefore = asked
      pool.recycle()
      const leases = [await first, await second]
      await settled()
      const opened = leases.filter(({ generation }) => generation === 2)
      expect(opened.length).toBeGreaterThan(0)
      expect(asked - askedBefore).toBe(opened.length)
      for (const lease of leases) lease.release()
      await pool.close()
    }
  })

  test('called by a listener after a wrong password saves waiting callers from the failure', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'fatal'
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    pool.once('createError', () => {
      driver.plans.create = 'pass'
      pool.recycle()
    })
    const lease = await pool.acquire()
    expect(lease.generation).toBe(2)
  })

  test('destroys the resource that an old create still opens', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 2 })
    const waiter = pool.acquire()
    driver.plans.create = 'pass'
    pool.recycle()
    expect((await waiter).generation).toBe(2)
    driver.settle('create')
    await settled()
    expect(driver.resources.filter(({ open }) => open)).toHaveLength(1)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })

  test('respects max: old resources count until they have ended', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    const leases = await acquireMany(pool, 2)
    pool.recycle()
    const waiter = follow(pool.acquire())
    await settled()
    expect(waiter.outcome.state).toBe('pending')
    expect(pool.stats).toMatchObject({ size: 2, borrowed: 2 })
    leases[0]?.release()
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(driver.mostAtOnce).toBe(2)
  })

  test('refills min', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 3 })
    await pool.warmUp()
    pool.recycle()
    await pass(1)
    expect(pool.stats).toMatchObject({ size: 3, idle: 3 })
    expect(driver.open.map(({ id }) => id)).toEqual([4, 5, 6])
  })

  test('can be called repeatedly', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const leases = []
    for (let round = 0; round < 5; round++) {
      leases.push(await pool.acquire())
      pool.recycle()
    }
    expect(leases.map(({ generation }) => generation)).toEqual([1, 2, 3, 4, 5])
    for (let lease = leases.pop(); lease !== undefined; lease = leases.pop()) lease.release()
    await settled()
    expect(pool.stats).toMatchObject({ size: 0, generation: 6 })
    expect(await idOf(pool.acquire())).toBe(6)
  })

  test('keeps nothing of a generation after its last resource has ended', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const generations = () => queryObjects(Generation, { format: 'count' })
    await openIdle(pool, 1)
    const before = generations()
    for (let round = 0; round < 50; round++) {
      await openIdle(pool, 1)
      pool.recycle()
      // One generation ends at once, the other with the lease.
      const lease = await pool.acquire()
      pool.recycle()
      lease.release()
      await settled()
    }
    for (let round = 0; round < 50; round++) pool.recycle()
    driver.forget()
    await pass(1)
    expect(generations()).toBeLessThan(before + 10)
  })

  test('lets an old resource die or be destroyed like any other', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const [first, second] = await acquireMany(pool, 2)
    pool.recycle()
    driver.resource(1).lose()
    second?.destroy()
    await settled()
    first?.release()
    expect(ends).toEqual(['lost', 'broken'])
    expect(pool.stats.size).toBe(0)
  })
})
