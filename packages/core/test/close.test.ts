import { describe, expect, test, vi } from 'vitest'
import { afterFork, LeaseReleasedError, PoolClosedError, type PoolEvents } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, type FakePool, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('close', () => {
  test('destroys idle resources and leaves nothing open', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    await openIdle(pool, 3)
    await pool.close()
    expect(ends).toEqual(['close', 'close', 'close'])
    for (const resource of driver.resources)
      expect(resource).toMatchObject({ destroys: 1, discards: 0 })
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, destroying: 0 })
  })

  test('settles at once if no resource was ever opened', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await pool.close()
    expect(driver.calls).toEqual([])
  })

  test('waits until the resources are destroyed', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = { afterMillis: 200, outcome: 'pass' }
    const pool = openPool(driver)
    await openIdle(pool, 1)
    const closed = follow(pool.close())
    await pass(199)
    expect(closed.outcome.state).toBe('pending')
    await pass(1)
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('rejects new callers from its first moment, permanently', async () => {
    const pool = openPool(new FakeDriver(), { name: 'shut' })
    await openIdle(pool, 1)
    const closing = pool.close()
    const refusals = [pool.acquire(), pool.acquire({}), pool.use(() => 1), pool.warmUp()]
    for (const error of await Promise.all(refusals.map(errorOf))) {
      expect(error).toBeInstanceOf(PoolClosedError)
      expect(error).toMatchObject({ pool: 'shut', message: expect.stringContaining('closing') })
    }
    await closing
    const error = await errorOf(pool.acquire())
    expect(error).toBeInstanceOf(PoolClosedError)
    expect(error).toMatchObject({ message: expect.stringContaining('closed') })
  })

  test('waits for holders, and destroys their resources at release', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    const pool = openPool(driver)
    const [first, second] = await acquireMany(pool, 2)
    const closed = follow(pool.close())
    await pass(10_000)
    expect(first?.resource.open).toBe(true)
    first?.release()
    await settled()
    expect(driver.resource(1).destroys).toBe(1)
    expect(closed.outcome.state).toBe('pending')
    second?.release()
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('serves waiting callers with released resources', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const served = pool.use((resource) => resource.id)
    const closed = follow(pool.close())
    first.release()
    expect(await served).toBe(1)
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('serves waiting callers with resources that are opened for them', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { max: 1 })
    const served = [1, 2, 3].map(() =>
      pool.use((resource, lease) => {
        lease.destroy()
        return resource.id
      }),
    )
    const closed = follow(pool.close())
    await pass(300)
    expect(await Promise.all(served)).toEqual([1, 2, 3])
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('keeps trying for waiting callers while the server is down', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const served = pool.use((resource) => resource.id)
    const closed = follow(pool.close())
    await pass(2_000)
    driver.plans.create = 'pass'
    await pass(5_000)
    expect(await served).toBe(1)
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('rejects the remaining waiting callers at the deadline', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const waiters = [follow(pool.acquire()), follow(pool.acquire())]
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(999)
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual(['pending', 'pending'])
    await pass(1)
    for (const { outcome } of waiters) {
      expect(outcome).toHaveProperty('error', expect.any(PoolClosedError))
    }
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('destroys borrowed resources at the deadline, and the holder gets an error at the next use', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    const other = await pool.acquire()
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_000)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(ends).toEqual(['close', 'close'])
    expect(() => lease.resource).toThrow(LeaseReleasedError)
    expect(() => lease.resource).toThrow('closed')
    lease.release()
    expect(() => lease.release()).toThrow(LeaseReleasedError)
    other.destroy()
    other[Symbol.dispose]()
    await settled()
    for (const resource of driver.resources)
      expect(resource).toMatchObject({ destroys: 1, discards: 0 })
  })

  test('has a default deadline of 30 seconds', async () => {
    const pool = openPool(new FakeDriver())
    await pool.acquire()
    const closed = follow(pool.close())
    await pass(29_999)
    expect(closed.outcome.state).toBe('pending')
    await pass(1)
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('waits for destroys that are in progress at the deadline', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver)
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    lease.destroy()
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_001)
    expect(closed.outcome.state).toBe('pending')
    driver.settle('destroy')
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
    expect(ends).toEqual(['broken'])
    expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
  })

  test('does not wait with a deadline of 0', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const waiter = follow(pool.acquire())
    const closed = follow(pool.close({ deadlineMillis: 0 }))
    await pass(1)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(waiter.outcome).toMatchObject({ error: { code: 'FORKSAFE_POOL_CLOSED' } })
  })

  test('waits without limit with a deadline of Infinity', async () => {
    const pool = openPool(new FakeDriver())
    const lease = await pool.acquire()
    const closed = follow(pool.close({ deadlineMillis: Infinity }))
    await pass(86_400_000)
    expect(closed.outcome.state).toBe('pending')
    lease.release()
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('called twice closes once', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const told = vi.fn<() => void>()
    pool.on('close', told)
    await pool.acquire()
    const first = follow(pool.close({ deadlineMillis: 1_000 }))
    const second = follow(pool.close({ deadlineMillis: 60_000 }))
    await pass(1_000)
    expect([first.outcome.state, second.outcome.state]).toEqual(['fulfilled', 'fulfilled'])
    await pool.close()
    expect(told).toHaveBeenCalledOnce()
    expect(driver.count('destroy')).toBe(1)
  })

  test('emits `close` when nothing is left', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver)
    await openIdle(pool, 2)
    const told = vi.fn<(size: number) => void>()
    pool.on('close', () => told(pool.stats.size))
    const closing = pool.close()
    await pass(99)
    expect(told).not.toHaveBeenCalled()
    await pass(1)
    await closing
    expect(told).toHaveBeenCalledExactlyOnceWith(0)
  })

  test('runs at the end of an await using block', async () => {
    const driver = new FakeDriver()
    {
      await using pool = openPool(driver)
      await pool.use((resource) => expect(resource.open).toBe(true))
    }
    expect(driver.resource(1).destroys).toBe(1)
  })

  test('called within use() does not wait for itself beyond the deadline', async () => {
    const pool = openPool(new FakeDriver())
    const used = follow(pool.use(() => pool.close({ deadlineMillis: 500 })))
    await pass(500)
    expect(used.outcome.state).toBe('fulfilled')
    expect(pool.stats.size).toBe(0)
  })

  test('does not open resources for min', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2 })
    await pool.warmUp()
    const lease = await pool.acquire()
    const closed = follow(pool.close())
    await pass(1_000)
    expect(driver.count('create')).toBe(2)
    lease.release()
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
    expect(driver.count('create')).toBe(2)
  })

  test('abandons a create that no caller waits for, without reporting a failure', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.plans.create = 'hang'
    const pool = openPool(driver, { min: 1 })
    const failed = vi.fn<() => void>()
    pool.on('createError', failed)
    const closed = follow(pool.close())
    await settled()
    expect(driver.signals[0]?.aborted).toBe(true)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(failed).not.toHaveBeenCalled()
    expect(driver.count('classify')).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('rejects a warm-up', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { min: 1 })
    const warm = follow(pool.warmUp())
    await pool.close()
    expect(warm.outcome).toHaveProperty('error', expect.any(PoolClosedError))
  })

  test('lets a waiting caller give up, and then does not wait for it', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver)
    const controller = new AbortController()
    const waiter = errorOf(pool.acquire({ signal: controller.signal }))
    const late = errorOf(pool.acquire({ timeoutMillis: 100 }))
    const closed = follow(pool.close())
    controller.abort()
    await pass(99)
    expect(closed.outcome.state).toBe('pending')
    await pass(2)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(await waiter).toHaveProperty('name', 'AbortError')
    expect(await late).toHaveProperty('code', 'FORKSAFE_ACQUIRE_TIMEOUT')
  })
})

describe('close always settles', () => {
  test('when every destroy hangs, one destroyTimeoutMillis after the deadline', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver)
    await openIdle(pool, 1)
    await pool.acquire()
    await pool.acquire()
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_000 + 4_999)
    expect(closed.outcome.state).toBe('pending')
    await pass(1)
    expect(closed.outcome.state).toBe('fulfilled')
    for (const resource of driver.resources)
      expect(resource).toMatchObject({ destroys: 0, discards: 1 })
  })

  test.each(['throw', 'reject'] as const)('when every destroy fails: %s', async (how) => {
    const driver = new FakeDriver()
    driver.plans.destroy = how
    const pool = openPool(driver)
    await openIdle(pool, 3)
    await pool.close()
    for (const resource of driver.resources)
      expect(resource).toMatchObject({ destroys: 0, discards: 1 })
    expect(pool.stats.size).toBe(0)
  })

  test('when a create hangs and ignores its signal; a resource that it opens later is destroyed', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const pool = openPool(driver)
    const waiter = follow(pool.acquire())
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_000)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(waiter.outcome).toHaveProperty('error', expect.any(PoolClosedError))
    driver.settle('create')
    await settled()
    expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
    expect(pool.stats.size).toBe(0)
  })

  test('when a validation hangs', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 1, validateTimeoutMillis: 60_000 })
    await openIdle(pool, 1)
    await pass(1_000)
    driver.plans.validate = 'hang'
    const waiter = follow(pool.acquire())
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_000)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(waiter.outcome).toHaveProperty('error', expect.any(PoolClosedError))
    expect(driver.resource(1).destroys).toBe(1)
  })

  test('when a reset hangs', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    driver.plans.reset = 'hang'
    const pool = openPool(driver, { validateTimeoutMillis: 60_000 })
    const lease = await pool.acquire()
    lease.release()
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(1_000)
    expect(closed.outcome.state).toBe('fulfilled')
    expect(driver.resource(1).destroys).toBe(1)
  })

  test('when the server is down and no caller waits', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 3 })
    await pass(100)
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('at most destroyTimeoutMillis after the deadline, even if a late create opens in between', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    const pool = openPool(driver, { max: 2 })
    await pool.acquire()
    driver.plans.create = 'hang'
    driver.plans.destroy = 'hang'
    follow(pool.acquire({ timeoutMillis: 500 }))
    const closed = follow(pool.close({ deadlineMillis: 1_000 }))
    await pass(5_900)
    driver.settle('create')
    await pass(100)
    expect(closed.outcome.state).toBe('fulfilled')
  })
})

describe('a closed pool', () => {
  test('has no timer left, even if it lent a resource while closing', async () => {
    const pool = openPool(new FakeDriver({ hooks: ['validate', 'reset', 'watch'] }), {
      max: 1,
      keepaliveMillis: 1_000,
      leakDetectionMillis: 1_000,
    })
    const first = await pool.acquire()
    const served = pool.use((resource) => resource.id)
    const closing = pool.close()
    first.release()
    await served
    await closing
    expect(vi.getTimerCount()).toBe(0)
  })

  test('calls no hook any more, whatever method is called', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
    const pool = openPool(driver, { min: 1, keepaliveMillis: 100 })
    await openIdle(pool, 2)
    await pool.close()
    const calls = driver.calls.length
    pool.resize({ min: 5, max: 20 })
    pool.recycle()
    follow(pool.acquire())
    follow(pool.warmUp())
    driver.resource(1).lose()
    await pass(3_600_000)
    expect(driver.calls.length).toBe(calls)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, waiting: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('can be recycled and resized while it closes', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    const [first, second] = await acquireMany(pool, 2)
    const waiter = pool.acquire()
    const closed = follow(pool.close())
    pool.recycle()
    pool.resize({ max: 1 })
    first?.release()
    second?.release()
    expect(await idOf(waiter)).toBe(3)
    await waiter.then((lease) => lease.release())
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
    expect(driver.open).toEqual([])
  })
})

describe('a lease that is still held at the deadline of close', () => {
  test.each([{ leakDetectionMillis: 0 }, { leakDetectionMillis: 60_000 }])(
    'is reported by the event `leak`: %o',
    async (options) => {
      const pool = openPool(new FakeDriver({ hooks: ['validate'] }), options)
      const leaks = leaksOf(pool)
      await openIdle(pool, 3)
      const held = await pool.acquire()
      await pass(100)
      const longHeld = await pool.acquire({ leakDetectionMillis: 0 })
      const closed = follow(pool.close({ deadlineMillis: 1_000 }))
      await pass(999)
      expect(leaks).toEqual([])
      await pass(10)
      expect(closed.outcome.state).toBe('fulfilled')
      const stack =
        options.leakDetectionMillis > 0 ? expect.stringContaining('close.test') : undefined
      expect(leaks).toContainEqual({
        id: held.id,
        generation: 1,
        heldMillis: expect.closeTo(1_101, -1),
        stack,
      })
      expect(leaks).toContainEqual({
        id: longHeld.id,
        generation: 1,
        heldMillis: expect.closeTo(1_001, -1),
        stack: undefined,
      })
      expect(leaks).toHaveLength(2)
      held.release()
      longHeld.release()
    },
  )

  test('is not reported again if it was a leak before', async () => {
    const pool = openPool(new FakeDriver(), { leakDetectionMillis: 100 })
    const leaks = leaksOf(pool)
    await pool.acquire()
    await pass(2_000)
    expect(leaks).toHaveLength(1)
    follow(pool.close({ deadlineMillis: 10 }))
    await pass(100)
    expect(leaks).toHaveLength(1)
  })

  test('is reported with a time that is not too long if its driver does not validate', async () => {
    const pool = openPool(new FakeDriver(), { validateAfterIdleMillis: Infinity })
    const leaks = leaksOf(pool)
    await openIdle(pool, 1)
    await pass(10_000)
    await pool.acquire()
    await pass(50)
    follow(pool.close({ deadlineMillis: 100 }))
    await pass(110)
    expect(leaks).toHaveLength(1)
    expect(leaks[0]?.heldMillis).toBeGreaterThanOrEqual(100)
    expect(leaks[0]?.heldMillis).toBeLessThan(200)
  })

  test('is not reported if it is released in time, nor in a process that does not own it', async () => {
    const pool = openPool(new FakeDriver())
    const leaks = leaksOf(pool)
    await pool.acquire()
    const closed = follow(pool.close({ deadlineMillis: 100 }))
    afterFork()
    await pass(200)
    expect(closed.outcome.state).toBe('fulfilled')
    const other = openPool(new FakeDriver())
    const leaksOfOther = leaksOf(other)
    const lease = await other.acquire()
    follow(other.close({ deadlineMillis: 100 }))
    await pass(50)
    lease.release()
    await pass(200)
    expect([...leaks, ...leaksOfOther]).toEqual([])
  })
})

function leaksOf(pool: FakePool): PoolEvents['leak'][0][] {
  const leaks: PoolEvents['leak'][0][] = []
  pool.on('leak', (leak) => leaks.push(leak))
  return leaks
}
