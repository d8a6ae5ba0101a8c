import { describe, expect, test, vi } from 'vitest'
import {
  AcquireTimeoutError,
  type Lease,
  LeaseReleasedError,
  PoolError,
  QueueFullError,
} from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { acquireMany, endsOf, type FakePool, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, microtasks, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('acquire', () => {
  test('opens a resource with the connection of the pool, and lends it', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const lease = await pool.acquire()

    expect(lease.resource).toBe(driver.resource(1))
    expect(lease.resource.openedWith).toBe('db')
    expect(lease.generation).toBe(1)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0, waiting: 0, creating: 0 })
  })

  test('lends an idle resource in the same turn, without opening another', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await openIdle(pool, 1)
    const lease = pool.acquire()
    expect(pool.stats).toMatchObject({ borrowed: 1, idle: 0, waiting: 0 })
    expect(await idOf(lease)).toBe(1)
    expect(driver.count('create')).toBe(1)
  })

  test('lends the resource that was released last, so that surplus ones stay idle', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await openIdle(pool, 3)
    const leases = await acquireMany(pool, 3)
    expect(leases.map(({ resource }) => resource.id)).toEqual([3, 2, 1])
  })

  test('lends the resource that has been idle for longest with `fifo`', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { fifo: true })
    await openIdle(pool, 3)
    const leases = await acquireMany(pool, 3)
    expect(leases.map(({ resource }) => resource.id)).toEqual([1, 2, 3])
  })

  test('ends an idle resource that the driver knows to be closing, and lends the next', async () => {
    const closing = new Set<number>()
    const isUsable = ({ id }: FakeResource): boolean => !closing.has(id)
    const driver = Object.assign(new FakeDriver(), { isUsable })
    const pool = openPool(driver, { max: 3 })
    await openIdle(pool, 3)
    const ends = endsOf(pool)
    closing.add(3).add(2)
    expect(await idOf(pool.acquire())).toBe(1)
    await settled()
    expect(pool.stats).toMatchObject({ borrowed: 1, idle: 0, size: 1 })
    expect(ends).toEqual(['lost', 'lost'])
  })

  test('ends an idle resource whose isUsable throws, and reports the error', async () => {
    const isUsable = (): never => {
      throw new Error('broken')
    }
    const driver = Object.assign(new FakeDriver(), { isUsable })
    const pool = openPool(driver, { max: 1 })
    const errors: unknown[] = []
    pool.on('hookError', ({ hook, error }) => errors.push([hook, (error as Error).message]))
    await openIdle(pool, 1)
    expect(await idOf(pool.acquire())).toBe(2)
    expect(errors).toContainEqual(['isUsable', 'broken'])
  })

  test('opens up to max resources, then waits', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    const leases = await acquireMany(pool, 2)
    const third = follow(pool.acquire())
    await settled()
    expect(third.outcome.state).toBe('pending')
    expect(pool.stats).toMatchObject({ size: 2, borrowed: 2, waiting: 1 })

    leases[0]?.release()
    await settled()
    expect(third.outcome.state).toBe('fulfilled')
    expect(driver.mostAtOnce).toBe(2)
  })

  test('opens one for each waiting caller, concurrently', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver, { max: 5 })
    const leases = acquireMany(pool, 5)
    expect(pool.stats.creating).toBe(5)
    await pass(100)
    expect(await leases).toHaveLength(5)
  })

  test('gives a released resource to the waiting caller, and the one opened for it to the next', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    const first = await pool.acquire()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const waiter = pool.acquire()
    first.release()
    expect(await idOf(waiter)).toBe(1)

    await pass(100)
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 1 })
    expect(await idOf(pool.acquire())).toBe(2)
  })

  test('never lends one resource to two holders', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3 })
    const held = new Set<FakeResource>()
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        pool.use(async (resource) => {
          expect(held.has(resource)).toBe(false)
          held.add(resource)
          if (index % 3 === 0) await settled()
          held.delete(resource)
        }),
      ),
    )
    expect(driver.mostAtOnce).toBe(3)
    expect(pool.stats).toMatchObject({ size: 3, idle: 3, waiting: 0 })
  })
})

describe('the queue', () => {
  test('is served in the order of the calls', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const order: number[] = []
    const first = await pool.acquire()
    const served = [1, 2, 3, 4].map((caller) =>
      pool.use(() => {
        order.push(caller)
      }),
    )
    first.release()
    await Promise.all(served)
    expect(order).toEqual([1, 2, 3, 4])
  })

  test('serves lower priorities first, and equal ones in the order of the calls', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const order: string[] = []
    const first = await pool.acquire()
    const served = (
      [
        ['default', undefined],
        ['late', 5],
        ['default again', 0],
        ['early', -1.5],
        ['last', Infinity],
        ['early again', -1.5],
        ['first', -Infinity],
        ['late again', 5],
      ] as const
    ).map(([name, priority]) => pool.use(() => order.push(name), { priority }))
    first.release()
    await Promise.all(served)
    expect(order).toEqual([
      'first',
      'early',
      'early again',
      'default',
      'default again',
      'late',
      'late again',
      'last',
    ])
  })

  test('keeps its order when a caller arrives while a resource is released', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const order: string[] = []
    const first = await pool.acquire()
    const waiting = pool.use(() => order.push('waiting'))
    first.release()
    const newcomer = pool.use(() => order.push('newcomer'))
    await Promise.all([waiting, newcomer])
    expect(order).toEqual(['waiting', 'newcomer'])
  })

  test('keeps its order while a caller waits for a validation', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 2 })
    const other = await pool.acquire()
    await openIdle(pool, 1)
    await pass(1_000)
    driver.plans.validate = { afterMillis: 100, outcome: 'pass' }
    const order: string[] = []
    const waiting = pool.use(() => order.push('waiting'))
    other.release()
    const newcomer = pool.use(() => order.push('newcomer'))
    await pass(200)
    await Promise.all([waiting, newcomer])
    expect(order).toEqual(['waiting', 'newcomer'])
  })

  test('keeps its order when a new resource is opened', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 50, outcome: 'pass' }
    const pool = openPool(driver, { max: 2 })
    const order: number[] = []
    const served = [1, 2, 3, 4, 5].map(async (caller) => {
      await settled()
      return pool.use(async () => {
        order.push(caller)
        await settled()
      })
    })
    await pass(1_000)
    await Promise.all(served)
    expect(order).toEqual([1, 2, 3, 4, 5])
  })

  test('keeps its order when some callers in the middle give up', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const order: number[] = []
    const first = await pool.acquire()
    const aborts = [1, 2, 3, 4, 5].map(() => new AbortController())
    const served = aborts.map(({ signal }, caller) =>
      pool.use(() => order.push(caller), { signal }).catch(() => undefined),
    )
    aborts[0]?.abort()
    aborts[2]?.abort()
    aborts[4]?.abort()
    expect(pool.stats.waiting).toBe(2)
    first.release()
    await Promise.all(served)
    expect(order).toEqual([1, 3])
  })

  test('serves all remaining callers when others time out', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const waiters = [10, 1_000, 10, 2_000, 10].map((timeoutMillis) =>
      follow(pool.use((resource) => resource.id, { timeoutMillis })),
    )
    await pass(10)
    expect(pool.stats.waiting).toBe(2)
    first.release()
    await settled()
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
    ])
    expect(pool.stats).toMatchObject({ waiting: 0, idle: 1 })
  })

  test('rejects further callers at once beyond maxWaitingClients, with the numbers of the pool', async () => {
    const pool = openPool(new FakeDriver(), { max: 1, maxWaitingClients: 2, name: 'narrow' })
    const first = await pool.acquire()
    const waiters = acquireMany(pool, 2)
    const refused = follow(pool.acquire())
    await settled()

    expect(refused.outcome).toMatchObject({
      state: 'rejected',
      error: { code: 'FORKSAFE_QUEUE_FULL', pool: 'narrow' },
    })
    expect(refused.outcome).toHaveProperty('error', expect.any(QueueFullError))
    expect(refused.outcome).toHaveProperty('error.message', expect.stringMatching(/waiting 2\b/))

    first.release()
    const [second] = await Promise.race([waiters, settled().then(() => [first])])
    expect(second).toBe(first)
  })

  test('has room again when a caller was served or gave up', async () => {
    const pool = openPool(new FakeDriver(), { max: 1, maxWaitingClients: 1 })
    const first = await pool.acquire()
    const controller = new AbortController()
    const aborted = errorOf(pool.acquire({ signal: controller.signal }))
    expect(await errorOf(pool.acquire())).toBeInstanceOf(QueueFullError)
    controller.abort()
    await aborted
    const waiter = pool.acquire()
    first.release()
    await waiter
    expect(follow(pool.acquire()).outcome.state).toBe('pending')
    expect(pool.stats.waiting).toBe(1)
  })

  test('of length 0 still lends idle resources and opens new ones up to max', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const pool = openPool(driver, { max: 2, maxWaitingClients: 0 })
    const leases = [pool.acquire(), pool.acquire()]
    const error = await errorOf(pool.acquire())
    expect(error).toBeInstanceOf(QueueFullError)
    await pass(10)
    for (const lease of await Promise.all(leases)) lease.release()
    expect(await idOf(pool.acquire())).toBe(2)
  })

  test('does not count callers for whom a resource is being released or opened', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const pool = openPool(driver, { max: 1, maxWaitingClients: 1 })
    const first = pool.acquire()
    const second = follow(pool.acquire())
    expect(await errorOf(pool.acquire())).toBeInstanceOf(QueueFullError)
    await pass(10)
    expect(second.outcome.state).toBe('pending')
    await first.then((lease) => lease.release())
    await settled()
    expect(second.outcome.state).toBe('fulfilled')
  })

  test('of length 0 still validates idle resources', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 1, maxWaitingClients: 0 })
    await openIdle(pool, 1)
    await pass(1_000)
    expect(await idOf(pool.acquire())).toBe(1)
    expect(driver.count('validate')).toBe(1)
  })
})

describe('a signal', () => {
  test('that has already aborted rejects with its reason and takes no resource', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await openIdle(pool, 1)
    const reason = new Error('not any more')
    const work = vi.fn<() => void>()

    expect(await errorOf(pool.acquire({ signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(await errorOf(pool.use(work, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(work).not.toHaveBeenCalled()
    expect(pool.stats).toMatchObject({ idle: 1, waiting: 0 })
  })

  test('that aborts during the wait removes the caller from the queue at once', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const controller = new AbortController()
    const aborted = follow(pool.acquire({ signal: controller.signal }))
    const next = pool.acquire()
    const reason = { my: 'reason' }

    controller.abort(reason)
    expect(pool.stats.waiting).toBe(1)
    await settled()
    expect(aborted.outcome).toEqual({ state: 'rejected', error: reason })

    first.release()
    expect(await idOf(next)).toBe(1)
  })

  test('that aborts without a reason rejects with an AbortError', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const controller = new AbortController()
    const error = errorOf(pool.acquire({ signal: controller.signal }))
    controller.abort()
    expect(await error).toMatchObject({ name: 'AbortError' })
  })

  test('that aborts during a create leaves the new resource to the next caller', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 100, outcome: 'pass' }
    const pool = openPool(driver)
    const controller = new AbortController()
    const error = errorOf(pool.acquire({ signal: controller.signal }))
    controller.abort(new Error('no'))
    expect(await error).toMatchObject({ message: 'no' })
    expect(driver.signals[0]?.aborted).toBe(false)
    await pass(100)
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })

  test('that aborts after the resource was lent changes nothing', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const controller = new AbortController()
    const waiter = pool.acquire({ signal: controller.signal })
    first.release()
    const lease = await waiter
    controller.abort()
    expect(lease.resource.id).toBe(1)
    expect(pool.stats).toMatchObject({ borrowed: 1, waiting: 0 })
  })

  test('has no listener after the wait', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const controller = new AbortController()
    const { signal } = controller
    const add = vi.spyOn(signal, 'addEventListener')
    const remove = vi.spyOn(signal, 'removeEventListener')
    const served = pool.acquire({ signal })
    const late = errorOf(pool.acquire({ signal, timeoutMillis: 10 }))
    first.release()
    await served
    await pass(10)
    await late
    expect(add.mock.calls.length).toBe(1)
    expect(remove.mock.calls.length).toBe(1)
    expect(remove.mock.calls[0]?.[1]).toBe(add.mock.calls[0]?.[1])
    // The next wait is not affected.
    const again = errorOf(pool.acquire({ signal }))
    controller.abort('enough')
    expect(await again).toBe('enough')
  })

  test('gets one listener for any number of pools and callers, so that Node does not warn of a leak', async () => {
    const pools = [openPool(new FakeDriver(), { max: 1 }), openPool(new FakeDriver(), { max: 1 })]
    const controller = new AbortController()
    const { signal } = controller
    const add = vi.spyOn(signal, 'addEventListener')
    for (const pool of pools) await pool.acquire()
    const errors = Array.from({ length: 30 }, (_, n) =>
      errorOf((pools[n % 2] as FakePool).acquire({ signal })),
    )
    expect(add.mock.calls.length).toBe(1)
    controller.abort('enough')
    expect(new Set(await Promise.all(errors))).toEqual(new Set(['enough']))
  })

  test('can end many waits at once', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const controller = new AbortController()
    const errors = Array.from({ length: 9 }, () =>
      errorOf(pool.acquire({ signal: controller.signal })),
    )
    const other = pool.acquire()
    controller.abort('enough')
    expect(pool.stats.waiting).toBe(1)
    expect(new Set(await Promise.all(errors))).toEqual(new Set(['enough']))
    first.release()
    await other
  })
})

describe('the timeout of an acquire', () => {
  test('fires after acquireTimeoutMillis; the error has the duration, the phase and the numbers of the pool', async () => {
    const pool = openPool(new FakeDriver(), { max: 1, acquireTimeoutMillis: 250, name: 'busy' })
    await pool.acquire()
    const waiter = follow(pool.acquire())
    await pass(249)
    expect(waiter.outcome.state).toBe('pending')
    await pass(2)

    const { outcome } = waiter
    if (outcome.state !== 'rejected') throw new Error('It still waits.')
    const { error } = outcome
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    expect(error).toBeInstanceOf(PoolError)
    expect(error).toMatchObject({
      phase: 'waiting',
      pool: 'busy',
      stats: { name: 'busy', borrowed: 1, waiting: 1, size: 1, max: 1 },
    })
    if (!(error instanceof AcquireTimeoutError)) return
    expect(error.waitedMillis).toBeGreaterThanOrEqual(249)
    expect(error.waitedMillis).toBeLessThan(260)
    expect(error.cause).toBeUndefined()
    expect('cause' in error).toBe(false)
    expect(error.message).toContain('borrowed 1')
    expect(pool.stats.waiting).toBe(0)
  })

  test('is 30 seconds by default', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const waiter = follow(pool.acquire())
    await pass(29_990)
    expect(waiter.outcome.state).toBe('pending')
    await pass(20)
    expect(waiter.outcome.state).toBe('rejected')
  })

  test('can be set for each call, shorter or longer', async () => {
    const pool = openPool(new FakeDriver(), { max: 1, acquireTimeoutMillis: 100 })
    await pool.acquire()
    const waiters = [undefined, 50, 150].map((timeoutMillis) =>
      follow(pool.acquire({ timeoutMillis })),
    )
    const states = () => waiters.map(({ outcome }) => outcome.state)
    await pass(51)
    expect(states()).toEqual(['pending', 'rejected', 'pending'])
    await pass(50)
    expect(states()).toEqual(['rejected', 'rejected', 'pending'])
    await pass(50)
    expect(states()).toEqual(['rejected', 'rejected', 'rejected'])
  })

  test('is one deadline over waiting, creating and validating', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 1 })
    const first = await pool.acquire()
    const waiter = follow(pool.acquire({ timeoutMillis: 100 }))
    await pass(60)
    driver.plans.create = { afterMillis: 60, outcome: 'pass' }
    first.destroy()
    await pass(39)
    expect(waiter.outcome.state).toBe('pending')
    await pass(2)
    expect(waiter.outcome).toMatchObject({ state: 'rejected', error: { phase: 'creating' } })

    // The resource that came too late serves the next caller.
    await pass(60)
    expect(pool.stats.idle).toBe(1)
  })

  test('names a validation that took too long', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 1 })
    await openIdle(pool, 1)
    await pass(1_000)
    driver.plans.validate = 'hang'
    const waiter = follow(pool.acquire({ timeoutMillis: 100 }))
    await pass(101)
    expect(waiter.outcome).toMatchObject({ state: 'rejected', error: { phase: 'validating' } })
    driver.settle('validate')
    await settled()
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
  })

  test('names the wait for a holder while a resource for another caller was being opened', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    await pool.acquire()
    const waiter = follow(pool.acquire({ timeoutMillis: 10 }))
    await pass(11)
    expect(waiter.outcome).toMatchObject({ error: { phase: 'waiting' } })
  })

  test('of 0 takes an idle resource or none', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await openIdle(pool, 1)
    const lease = await pool.acquire({ timeoutMillis: 0 })
    const waiter = follow(pool.acquire({ timeoutMillis: 0 }))
    await pass(1)
    expect(waiter.outcome).toMatchObject({
      state: 'rejected',
      error: { code: 'FORKSAFE_ACQUIRE_TIMEOUT' },
    })
    lease.release()
  })

  test.each([Infinity, 2 ** 31, Number.MAX_VALUE])(
    'of %d means no limit',
    async (timeoutMillis) => {
      const pool = openPool(new FakeDriver(), { max: 1 })
      const first = await pool.acquire()
      const waiter = follow(pool.acquire({ timeoutMillis }))
      await pass(3_600_000)
      expect(waiter.outcome.state).toBe('pending')
      first.release()
      await settled()
      expect(waiter.outcome.state).toBe('fulfilled')
    },
  )

  test('ends thousands of waits with one timer', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const timers = vi.getTimerCount()
    const waiters = Array.from({ length: 2_000 }, (_, index) =>
      follow(pool.acquire({ timeoutMillis: 10 + (index % 50) })),
    )
    expect(vi.getTimerCount()).toBeLessThanOrEqual(timers + 1)
    await pass(100)
    expect(new Set(waiters.map(({ outcome }) => outcome.state))).toEqual(new Set(['rejected']))
    expect(pool.stats.waiting).toBe(0)
  })

  test('ends a later wait with an earlier deadline with the same timer', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const timers = vi.getTimerCount()
    const waiters = Array.from({ length: 100 }, (_, index) =>
      follow(pool.acquire({ timeoutMillis: 1_000 - index })),
    )
    expect(vi.getTimerCount()).toBeLessThanOrEqual(timers + 1)
    await pass(950)
    expect(waiters.filter(({ outcome }) => outcome.state === 'rejected')).toHaveLength(50)
    await pass(50)
    expect(waiters.filter(({ outcome }) => outcome.state === 'rejected')).toHaveLength(100)
  })

  test('does not end or forget the wait of the next caller in the queue', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const short = follow(pool.acquire({ timeoutMillis: 10 }))
    const long = follow(pool.acquire({ timeoutMillis: 1_000 }))
    await pass(11)
    expect([short.outcome.state, long.outcome.state]).toEqual(['rejected', 'pending'])
    expect(pool.stats.waiting).toBe(1)
    await pass(1_000)
    expect(long.outcome.state).toBe('rejected')
    expect(pool.stats.waiting).toBe(0)
    first.release()
    expect(pool.stats.idle).toBe(1)
  })
})

describe('use', () => {
  test('releases the resource when the work is done, and returns its result', async () => {
    const pool = openPool(new FakeDriver())
    expect(await pool.use((resource) => resource.id)).toBe(1)
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
    expect(await pool.use(async ({ id }, lease) => [id, lease.generation])).toEqual([1, 1])
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
  })

  test.each([
    ['throws', () => Promise.reject(new Error('mine'))],
    [
      'throws synchronously',
      () => {
        throw new Error('mine')
      },
    ],
  ])('gives the resource back, alive, when the work %s', async (_how, work) => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    expect(await errorOf(pool.use(work))).toMatchObject({ message: 'mine' })
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0, size: 1 })
    expect(driver.count('destroy')).toBe(0)
  })

  test('lets the work release the resource itself', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await pool.use((_resource, lease) => lease.release())
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
    await pool.use((_resource, lease) => lease.destroy(new Error('broken')))
    await settled()
    expect(pool.stats).toMatchObject({ idle: 0, size: 0 })
    expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
  })

  test('rejects like acquire, without calling the work', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const work = vi.fn<() => void>()
    const error = errorOf(pool.use(work, { timeoutMillis: 10 }))
    await pass(11)
    expect(await error).toBeInstanceOf(AcquireTimeoutError)
    expect(work).not.toHaveBeenCalled()
  })

  test('does not start its work if its signal aborts while the resource is being handed over', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const lease = await pool.acquire()
    const controller = new AbortController()
    const work = vi.fn<() => void>()
    const using = errorOf(pool.use(work, { signal: controller.signal }))
    lease.release()
    controller.abort(new Error('enough'))
    expect(await using).toEqual(new Error('enough'))
    expect(work).not.toHaveBeenCalled()
    expect(pool.stats.idle).toBe(1)
  })

  test('rejects a value that is not a function, without borrowing a resource', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { name: 'strict' })
    const error = await errorOf(pool.use(5 as never))
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ message: expect.stringMatching(/"strict".*function.*a number/) })
    expect(driver.count('create')).toBe(0)
  })
})

describe('a lease', () => {
  test('is released by using, also when the block throws', async () => {
    const pool = openPool(new FakeDriver())
    {
      using lease = await pool.acquire()
      expect(lease.resource.id).toBe(1)
      expect(pool.stats.borrowed).toBe(1)
    }
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
    const failing = (async () => {
      using lease = await pool.acquire()
      throw new Error(`in ${lease.resource.id}`)
    })()
    expect(await errorOf(failing)).toMatchObject({ message: 'in 1' })
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
  })

  test('is released by await using', async () => {
    const pool = openPool(new FakeDriver())
    {
      await using lease = await pool.acquire()
      expect(lease.resource.id).toBe(1)
    }
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
  })

  test('can be released within a using block, whose end then does nothing', async () => {
    const pool = openPool(new FakeDriver())
    {
      using lease = await pool.acquire()
      lease.release()
      using other = await pool.acquire()
      expect(other.resource.id).toBe(1)
    }
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0, size: 1 })
  })

  test('throws at a second release, and the next holder keeps the resource', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1, name: 'twice' })
    const first = await pool.acquire()
    first.release()
    const second = await pool.acquire()
    const third = follow(pool.acquire())

    expect(() => first.release()).toThrow(LeaseReleasedError)
    expect(() => first.release()).toThrow(/"twice".*released/)
    await settled()
    expect(second.resource.id).toBe(1)
    expect(third.outcome.state).toBe('pending')
    expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 1, waiting: 1 })
    second.release()
  })

  test('has no resource after its release', async () => {
    const pool = openPool(new FakeDriver())
    const lease = await pool.acquire()
    lease.release()
    expect(() => lease.resource).toThrow(LeaseReleasedError)
    expect(lease.generation).toBe(1)
  })

  test('can destroy its resource as broken: another replaces it, and the event has the reason', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    const destroyed = vi.fn<(details: object) => void>()
    pool.on('destroy', destroyed)
    const lease = await pool.acquire()
    const next = pool.acquire()
    const error = new Error('protocol violation')

    lease.destroy(error)
    expect(pool.stats).toMatchObject({ destroying: 1, borrowed: 0, size: 1 })
    expect(() => lease.resource).toThrow(LeaseReleasedError)
    expect(await idOf(next)).toBe(2)
    expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
    expect(destroyed).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ reason: 'broken', error, generation: 1 }),
    )
  })

  test('can be destroyed twice, but not released afterwards', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const lease = await pool.acquire()
    lease.destroy()
    lease.destroy(new Error('again'))
    expect(() => lease.release()).toThrow(LeaseReleasedError)
    lease[Symbol.dispose]()
    await settled()
    expect(driver.count('destroy')).toBe(1)
    expect(pool.stats.size).toBe(0)
  })

  test('that was released cannot destroy the resource of another holder', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    const first = await pool.acquire()
    first.release()
    const second = await pool.acquire()
    expect(() => first.destroy()).toThrow(LeaseReleasedError)
    await settled()
    expect(second.resource.open).toBe(true)
    expect(driver.count('destroy')).toBe(0)
  })

  test('has methods that work when they are detached', async () => {
    const pool = openPool(new FakeDriver())
    const lease: Lease<FakeResource> = await pool.acquire()
    const giveBack = (released: Pick<Lease<FakeResource>, 'release'>): void => released.release()
    giveBack(lease)
    expect(pool.stats.idle).toBe(1)
  })
})

describe('reset', () => {
  test('runs between two holders, and the waiting caller gets the resource after it', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    driver.plans.reset = { afterMillis: 50, outcome: 'pass' }
    const pool = openPool(driver, { max: 1 })
    const first = await pool.acquire()
    const next = follow(pool.acquire())
    first.release()
    await pass(49)
    expect(next.outcome.state).toBe('pending')
    expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 0, waiting: 1 })
    await pass(2)
    expect(next.outcome.state).toBe('fulfilled')
    expect(driver.count('reset')).toBe(1)
  })

  test('makes a new caller wait for it instead of opening another resource', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    driver.plans.reset = { afterMillis: 50, outcome: 'pass' }
    const pool = openPool(driver, { max: 5 })
    const first = await pool.acquire()
    first.release()
    const next = pool.acquire()
    await pass(50)
    expect(await idOf(next)).toBe(1)
    expect(driver.count('create')).toBe(1)
  })

  test('is not called for a resource that ends anyway', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    const pool = openPool(driver, { maxUses: 1 })
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    lease.release()
    await settled()
    expect(driver.count('reset')).toBe(0)
    expect(ends).toEqual(['uses'])
  })
})

test('a caller for whom a resource is being opened does not count towards maxWaitingClients', async () => {
  const driver = new FakeDriver()
  driver.plans.create = 'hang'
  const pool = openPool(driver, { max: 1, maxWaitingClients: 1 })
  const callers = [1, 2, 3].map(() => follow(pool.acquire()))
  await settled()
  expect(callers.map(({ outcome }) => outcome.state)).toEqual(['pending', 'pending', 'rejected'])
})

describe('a create', () => {
  test.each(Array.from({ length: 12 }, (_, rounds) => rounds))(
    'is started once for a caller that arrives %i microtasks after the end of another',
    async (rounds) => {
      const driver = new FakeDriver()
      driver.plans.create = 'hang'
      const pool = openPool(driver)
      const first = follow(pool.acquire())
      await settled()
      driver.settle('create')
      await microtasks(rounds)
      const second = follow(pool.acquire())
      await settled()
      expect(driver.count('create')).toBe(2)
      driver.settle('create')
      await settled()
      expect([first.outcome.state, second.outcome.state]).toEqual(['fulfilled', 'fulfilled'])
      expect(driver.count('create')).toBe(2)
      expect(pool.stats).toMatchObject({ size: 2, borrowed: 2, creating: 0 })
    },
  )

  test('reports its own duration, even if an earlier create ends later', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const durations: number[] = []
    pool.on('create', ({ durationMillis }) => durations.push(durationMillis))
    driver.plans.create = { afterMillis: 500, outcome: 'pass' }
    follow(pool.acquire())
    await pass(300)
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    follow(pool.acquire())
    await pass(300)
    expect(durations).toEqual([10, 500])
  })
})
