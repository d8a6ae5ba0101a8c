import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  AcquireTimeoutError,
  CreateError,
  createForkSafePool,
  type Driver,
  type PoolEvents,
} from '../src/index.ts'
import { FakeDriver, type FakeResource, HookError } from './support/fake-driver.ts'
import { acquireMany, endsOf, type FakePool, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

// Pauses have their maximum duration, so that tests know when they end.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.9999)
})
afterEach(() => {
  vi.restoreAllMocks()
})

function failuresOf(pool: FakePool): PoolEvents['createError'][0][] {
  const failures: PoolEvents['createError'][0][] = []
  pool.on('createError', (failure) => failures.push(failure))
  return failures
}

describe('while the server is down', () => {
  test.each(['reject', 'throw'] as const)(
    'and a create fails at once (%s), a caller causes a few attempts, and gets the reason',
    async (how) => {
      const driver = new FakeDriver()
      driver.plans.create = how
      const pool = openPool(driver, { name: 'down' })
      const waiter = errorOf(pool.acquire({ timeoutMillis: 2_000 }))
      await pass(2_001)

      const error = await waiter
      expect(error).toBeInstanceOf(AcquireTimeoutError)
      expect(error).toMatchObject({ phase: 'creating', cause: { message: 'create failed' } })
      expect(error).toHaveProperty('message', expect.stringContaining('create failed'))
      // 0, 50, 150, 350, 750, 1,550 ms
      expect(driver.count('create')).toBe(6)
      expect(pool.stats).toMatchObject({ size: 0, waiting: 0, creating: 0 })
    },
  )

  test('and a create hangs, it times out, its signal aborts, and its slot is free', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 1, createTimeoutMillis: 1_000 })
    const failures = failuresOf(pool)
    const waiter = pool.acquire()
    await pass(999)
    expect(driver.signals[0]?.aborted).toBe(false)
    expect(pool.stats).toMatchObject({ size: 1, creating: 1 })

    driver.plans.create = 'pass'
    await pass(2)
    expect(driver.signals[0]?.aborted).toBe(true)
    expect(pool.stats).toMatchObject({ size: 0, creating: 0 })
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatchObject({ kind: 'transient', failures: 1 })
    expect(failures[0]?.error).toHaveProperty('message', expect.stringContaining('1000 ms'))
    await pass(50)
    expect(await idOf(waiter)).toBe(1)
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['a string', 'connection'],
  ])('and a create gives %s, that is a failure that names the driver', async (_what, given) => {
    const driver: Driver<FakeResource, unknown, object> = {
      name: 'odd',
      create: () => Promise.resolve(given as unknown as FakeResource),
      destroy: () => undefined,
      discard: () => undefined,
    }
    const pool = createForkSafePool(driver, { connection: 'db' })
    const waiter = errorOf(pool.acquire({ timeoutMillis: 500 }))
    await pass(501)
    expect(await waiter).toMatchObject({ cause: expect.any(TypeError) })
    expect(await waiter).toHaveProperty('cause.message', expect.stringMatching(/odd.*object/))
  })

  test('one attempt at a time serves any number of callers', async () => {
    const triesWith = async (callers: number): Promise<number> => {
      const driver = new FakeDriver()
      driver.plans.create = { afterMillis: 10, outcome: 'reject' }
      const pool = openPool(driver, { max: 10, acquireTimeoutMillis: 60_000 })
      const waiters = Array.from({ length: callers }, () => follow(pool.acquire()))
      await pass(100)
      const before = driver.count('create')
      driver.mostAtOnce = 0
      for (let caller = 0; caller < callers; caller++) waiters.push(follow(pool.acquire()))
      await pass(20_000)
      expect(driver.mostAtOnce).toBe(1)
      return driver.count('create') - before
    }
    const tries = await triesWith(1)
    expect(await triesWith(10)).toBe(tries)
    expect(await triesWith(200)).toBe(tries)
    expect(tries).toBeLessThan(12)
  })

  test('the pause is doubled with each failure up to maxMillis, and reported', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { backoff: { minMillis: 100, maxMillis: 1_000 } })
    const failures = failuresOf(pool)
    follow(pool.acquire())
    await pass(5_000)
    expect(failures.slice(0, 7).map(({ retryMillis }) => retryMillis)).toEqual([
      100, 200, 400, 800, 1_000, 1_000, 1_000,
    ])
    expect(failures.slice(0, 7).map((failure) => failure.failures)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(failures[0]).toMatchObject({ kind: 'transient', generation: 1 })
    expect(failures[0]?.error).toBeInstanceOf(HookError)
    expect(failures[0]?.durationMillis).toBeGreaterThanOrEqual(0)
  })

  test('the pause never exceeds the maximum of a timer', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { backoff: { minMillis: 2 ** 33, maxMillis: 2 ** 33 } })
    const failures = failuresOf(pool)
    follow(pool.acquire())
    await settled()
    expect(failures[0]?.retryMillis).toBeLessThan(2 ** 31)
  })

  test('a create that hangs does not keep others from trying', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3 })
    driver.plans.create = 'hang'
    follow(pool.acquire())
    driver.plans.create = { afterMillis: 10, outcome: 'reject' }
    const second = pool.acquire()
    const third = pool.acquire()
    await pass(10)
    driver.plans.create = 'pass'
    // The pause, and the creates for the callers that still wait.
    await pass(1_000)
    expect(pool.stats).toMatchObject({ creating: 1, borrowed: 2, waiting: 1 })
    driver.settle('create')
    await settled()
    expect(await Promise.all([second, third])).toHaveLength(2)
  })

  test('the pause is random, so that a thousand processes do not retry in lockstep', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { backoff: { minMillis: 1_000, maxMillis: 1_000 } })
    const failures = failuresOf(pool)
    const chances = [0.1, 0.8, 0.35]
    vi.mocked(Math.random).mockImplementation(() => chances.shift() ?? 0.5)
    follow(pool.acquire())
    await pass(1_300)
    expect(failures.map(({ retryMillis }) => retryMillis)).toEqual([100, 800, 350, 500])
  })

  test('each caller is rejected at its own deadline, with the last failure as the cause', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const waiters = [100, 500, 3_000].map((timeoutMillis) =>
      follow(pool.acquire({ timeoutMillis })),
    )
    for (const [index, at] of [100, 500, 3_000].entries()) {
      await pass(at - performanceSince() - 2)
      expect(waiters[index]?.outcome.state).toBe('pending')
      await pass(4)
      expect(waiters[index]?.outcome).toMatchObject({
        state: 'rejected',
        error: { cause: { message: 'create failed' } },
      })
    }
  })

  test('the event loop is not blocked', async () => {
    vi.useRealTimers()
    vi.mocked(Math.random).mockRestore()
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const waiters = Array.from({ length: 50 }, () => errorOf(pool.acquire({ timeoutMillis: 300 })))
    let turns = 0
    const turning = setInterval(() => turns++, 5)
    for (const error of await Promise.all(waiters))
      expect(error).toBeInstanceOf(AcquireTimeoutError)
    clearInterval(turning)
    expect(turns).toBeGreaterThan(10)
    // The maximum: ten at first, then one for each millisecond, the shortest pause.
    expect(driver.count('create')).toBeLessThan(60)
  })

  test('open resources remain usable, and serve waiting callers', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 5 })
    const first = await pool.acquire()
    driver.plans.create = 'reject'
    const waiter = pool.acquire()
    await pass(100)
    first.release()
    expect(await idOf(waiter)).toBe(1)
    expect(driver.count('destroy')).toBe(0)
  })

  test('no attempt is made without a waiting caller', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const waiter = errorOf(pool.acquire({ timeoutMillis: 100 }))
    await pass(101)
    await waiter
    const tries = driver.count('create')
    await pass(60_000)
    expect(driver.count('create')).toBe(tries)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('attempts for min are repeated at the same pace', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 3 })
    await pass(60_000)
    expect(driver.count('create')).toBeGreaterThan(5)
    expect(driver.count('create')).toBeLessThan(25)
    driver.plans.create = 'pass'
    await pass(5_001)
    expect(pool.stats).toMatchObject({ size: 3, idle: 3 })
  })

  test('a caller that gives up does not end the attempt for the others', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const controller = new AbortController()
    const aborted = errorOf(pool.acquire({ signal: controller.signal }))
    const waiter = pool.acquire()
    await pass(1_000)
    controller.abort()
    await aborted
    driver.plans.create = 'pass'
    await pass(5_000)
    expect(await idOf(waiter)).toBe(1)
  })

  test('recycle() tries at once, because the host may be another one', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { backoff: { minMillis: 60_000, maxMillis: 60_000 } })
    const waiter = follow(pool.acquire())
    await pass(1_000)
    driver.plans.create = 'pass'
    pool.recycle()
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
  })
})

describe('when the server is back', () => {
  test('all waiting callers are served within one pause', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { acquireTimeoutMillis: 300_000, max: 10 })
    const waiters = Array.from({ length: 30 }, () => follow(pool.use((resource) => resource.id)))
    await pass(60_000)
    driver.plans.create = { afterMillis: 20, outcome: 'pass' }
    driver.mostAtOnce = 0
    await pass(5_000 + 20 + 20 + 5)
    expect(waiters.filter(({ outcome }) => outcome.state !== 'fulfilled')).toEqual([])
    expect(driver.mostAtOnce).toBe(9) // The one of the attempt, and 8 that are opened at once.
  })

  test('the next outage starts with a short pause again', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const failures = failuresOf(pool)
    const waiter = pool.acquire()
    await pass(10_000)
    driver.plans.create = 'pass'
    await pass(5_000)
    const lease = await waiter
    failures.length = 0
    driver.plans.create = 'reject'
    lease.destroy()
    follow(pool.acquire({ timeoutMillis: 10 }))
    await pass(20)
    expect(failures.map(({ retryMillis }) => retryMillis)).toEqual([50])
  })

  test('a timeout long afterwards does not have an old failure as its cause', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { max: 1 })
    const waiter = pool.acquire()
    await pass(100)
    driver.plans.create = 'pass'
    await pass(5_000)
    await waiter
    const late = errorOf(pool.acquire({ timeoutMillis: 10 }))
    await pass(11)
    expect(await late).toMatchObject({ phase: 'waiting' })
    expect(await late).not.toHaveProperty('cause')
  })
})

describe('a failure that is fatal', () => {
  test('immediately rejects all waiting callers, with the reason', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'fatal'
    driver.plans.create = { afterMillis: 10, outcome: 'reject' }
    const pool = openPool(driver, { max: 2, name: 'denied' })
    const errors = Array.from({ length: 5 }, () => errorOf(pool.acquire()))
    await pass(10)
    for (const error of await Promise.all(errors)) {
      expect(error).toBeInstanceOf(CreateError)
      expect(error).toMatchObject({ pool: 'denied', cause: { message: 'create failed' } })
    }
    expect(pool.stats).toMatchObject({ waiting: 0, size: 0 })
  })

  test('rejects callers during the pause without an attempt, and tries again after it', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'fatal'
    driver.plans.create = 'reject'
    const pool = openPool(driver, { backoff: { minMillis: 1_000, maxMillis: 1_000 } })
    expect(await errorOf(pool.acquire())).toBeInstanceOf(CreateError)
    const refused = follow(pool.acquire())
    await settled()
    expect(refused.outcome).toMatchObject({ error: { code: 'FORKSAFE_CREATE_FAILED' } })
    expect(driver.count('create')).toBe(1)

    driver.plans.create = 'pass'
    await pass(1_001)
    expect(await idOf(pool.acquire())).toBe(1)
  })

  test('does not prevent an idle resource from being validated and lent', async () => {
    const driver = new FakeDriver({ hooks: ['classify', 'validate'] })
    const pool = openPool(driver, {
      max: 2,
      backoff: { minMillis: 60_000, maxMillis: 60_000 },
    })
    const [first, second] = await acquireMany(pool, 2)
    driver.failureKind = 'fatal'
    driver.plans.create = 'reject'
    second?.destroy()
    await settled()
    expect(await errorOf(pool.acquire())).toBeInstanceOf(CreateError)
    first?.release()
    await pass(1_000)
    // This caller needs a validation, but no create.
    expect(await idOf(pool.acquire())).toBe(1)
  })

  test('counts only if a second call of the `connection` function does not help', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'fatal'
    driver.plans.create = 'reject'
    let asked = 0
    const connection = (): string => `secret ${++asked}`
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, { connection, max: 1 })
    const kinds: string[] = []
    pool.on('createError', ({ kind }) => kinds.push(kind))
    const denied = errorOf(pool.acquire())
    await pass(51)
    expect(await denied).toBeInstanceOf(CreateError)
    expect(kinds).toEqual(['transient', 'fatal'])

    pool.recycle()
    const served = pool.acquire()
    await settled()
    driver.plans.create = 'pass'
    await pass(51)
    expect(await idOf(served)).toBe(1)
    expect(asked).toBe(4)
  })

  test('rejects a warm-up', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'fatal'
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 1 })
    expect(await errorOf(pool.warmUp())).toBeInstanceOf(CreateError)
  })
})

describe('a failure that is single', () => {
  test('rejects the caller that has waited longest, and the next one gets an attempt of its own at once', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'single'
    driver.plans.create = 'reject'
    const pool = openPool(driver, { max: 1 })
    const failures = failuresOf(pool)
    pool.on('createError', () => {
      if (failures.length === 2) driver.plans.create = 'pass'
    })
    const first = errorOf(pool.acquire())
    const second = errorOf(pool.acquire())
    const third = pool.acquire()
    expect(await first).toBeInstanceOf(CreateError)
    expect(await first).toMatchObject({ cause: { message: 'create failed' } })
    expect(await second).toBeInstanceOf(CreateError)
    expect(await idOf(third)).toBe(1)
    expect(
      failures.map(({ kind, failures, retryMillis }) => [kind, failures, retryMillis]),
    ).toEqual([
      ['single', 0, 0],
      ['single', 0, 0],
    ])
  })

  test('is followed by a pause if no caller waits', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'single'
    driver.plans.create = 'reject'
    const pool = openPool(driver, { min: 1, backoff: { minMillis: 1_000, maxMillis: 1_000 } })
    const failures = failuresOf(pool)
    await settled()
    expect(driver.count('create')).toBe(1)
    expect(failures).toMatchObject([{ kind: 'single', failures: 1 }])
  })
})

describe('a server that is full', () => {
  test('does not affect open resources: a waiting caller gets a released one', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'full'
    const pool = openPool(driver, { max: 10 })
    const leases = await acquireMany(pool, 2)
    driver.plans.create = 'reject'
    const failures = failuresOf(pool)
    const waiters = [follow(pool.acquire()), follow(pool.acquire())]
    await pass(1_000)
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual(['pending', 'pending'])
    for (const lease of leases) lease.release()
    await settled()
    expect(waiters.map(({ outcome }) => outcome.state)).toEqual(['fulfilled', 'fulfilled'])
    expect(failures[0]).toMatchObject({ kind: 'full' })
    expect(driver.count('destroy')).toBe(0)
  })

  test('is tried again later', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.failureKind = 'full'
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const waiter = pool.acquire()
    await pass(1_000)
    driver.plans.create = 'pass'
    await pass(5_000)
    expect(await idOf(waiter)).toBe(1)
  })
})

describe('a create that was started before another failed', () => {
  test('and succeeds afterwards does not end the pause, because the server may still be full', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'classify'] })
    driver.failureKind = 'full'
    driver.plans.create = { afterMillis: 20, outcome: 'pass' }
    const pool = openPool(driver, { max: 3, backoff: { minMillis: 1_000, maxMillis: 1_000 } })
    const failures = failuresOf(pool)
    const first = pool.acquire()
    driver.plans.create = 'reject'
    follow(pool.acquire())
    follow(pool.acquire())

    await pass(900)

    expect(await idOf(first)).toBe(1)
    expect(failures).toHaveLength(2)
    expect(driver.count('create')).toBe(3)
    await pass(100)
    expect(driver.count('create')).toBe(4)
  })
})

describe('an abandoned create', () => {
  test('that still opens a resource: it is destroyed, reported as late, and never lent', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 1, createTimeoutMillis: 100 })
    const ends = endsOf(pool)
    const waiter = pool.acquire()
    await pass(100)
    driver.plans.create = 'pass'
    driver.settle('create')
    await pass(60)
    expect(await idOf(waiter)).toBe(2)
    expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
    expect(ends).toEqual(['late'])
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0, destroying: 0 })
  })

  test('that still opens a resource: it counts towards max until it is destroyed', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { max: 1, createTimeoutMillis: 100 })
    const waiter = follow(pool.acquire())
    await pass(100)
    driver.settle('create')
    driver.plans.create = 'pass'
    await pass(1_000)
    expect(pool.stats).toMatchObject({ size: 1, destroying: 1 })
    expect(waiter.outcome.state).toBe('pending')
    driver.settle('destroy')
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
  })

  test('that fails later is reported once', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const pool = openPool(driver, { createTimeoutMillis: 100 })
    const failures = failuresOf(pool)
    follow(pool.acquire({ timeoutMillis: 101 }))
    await pass(102)
    driver.settle('create', 'reject')
    await pass(10)
    expect(failures.filter(({ error }) => error instanceof HookError)).toEqual([])
  })
})

describe('a resource that is being destroyed', () => {
  test('counts against max', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { max: 2 })
    const leases = await acquireMany(pool, 2)
    for (const lease of leases) lease.destroy()
    const waiter = follow(pool.acquire())
    await pass(1_000)
    expect(pool.stats).toMatchObject({ size: 2, destroying: 2, borrowed: 0, waiting: 1 })
    expect(driver.count('create')).toBe(2)
    driver.settle('destroy')
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(driver.mostAtOnce).toBe(2)
  })

  test('is discarded and makes room when its destroy times out', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { max: 1, destroyTimeoutMillis: 300 })
    const lease = await pool.acquire()
    lease.destroy()
    const waiter = follow(pool.acquire())
    await pass(299)
    expect(waiter.outcome.state).toBe('pending')
    await pass(2)
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(driver.resource(1)).toMatchObject({ destroys: 0, discards: 1 })
  })
})

describe('the connection', () => {
  test('is requested before every create if it is a function, so that credentials can rotate', async () => {
    const driver = new FakeDriver()
    let password = 'first'
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: () => ({ password }),
    })
    await openIdle(pool, 1)
    password = 'second'
    await acquireMany(pool, 2)
    expect(driver.resources.map(({ openedWith }) => openedWith)).toEqual([
      { password: 'first' },
      { password: 'second' },
    ])
  })

  test('may be a promise', async () => {
    const driver = new FakeDriver()
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: async () => {
        await new Promise((resolve) => {
          setTimeout(resolve, 100)
        })
        return 'vault'
      },
    })
    const lease = pool.acquire()
    await pass(99)
    expect(driver.count('create')).toBe(0)
    expect(pool.stats.creating).toBe(1)
    await pass(1)
    expect((await lease).resource.openedWith).toBe('vault')
  })

  test.each([
    [
      'throws',
      () => () => {
        throw new Error('no vault')
      },
    ],
    ['rejects', () => () => Promise.reject(new Error('no vault'))],
  ])('that %s is a failed create like any other', async (_how, make) => {
    const driver = new FakeDriver()
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, { connection: make() })
    const error = errorOf(pool.acquire({ timeoutMillis: 1_000 }))
    await pass(1_001)
    expect(await error).toMatchObject({ cause: { message: 'no vault' }, phase: 'creating' })
    expect(driver.count('create')).toBe(0)
    expect(pool.stats).toMatchObject({ size: 0, creating: 0 })
  })

  test('that never resolves is bounded by the timeout of the create', async () => {
    const driver = new FakeDriver()
    const connection = vi.fn<() => Promise<string>>(() => new Promise(() => undefined))
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection,
      max: 1,
      createTimeoutMillis: 1_000,
    })
    const error = errorOf(pool.acquire({ timeoutMillis: 1_500 }))
    await pass(1_000)
    expect(pool.stats.creating).toBe(0)
    await pass(501)
    expect(await error).toBeInstanceOf(AcquireTimeoutError)
    expect(connection.mock.calls.length).toBe(2)
    expect(driver.count('create')).toBe(0)
  })

  test('that resolves too late opens nothing', async () => {
    const driver = new FakeDriver()
    let tell: (connection: string) => void = () => undefined
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: () =>
        new Promise<string>((resolve) => {
          tell = resolve
        }),
      createTimeoutMillis: 100,
    })
    const error = errorOf(pool.acquire({ timeoutMillis: 101 }))
    await pass(102)
    tell('late')
    await settled()
    expect(driver.count('create')).toBe(0)
    expect(await error).toBeInstanceOf(AcquireTimeoutError)
  })
})

const begun = { at: 0 }
beforeEach(() => {
  begun.at = performance.now()
})

/** Returns the milliseconds since the start of the test. */
function performanceSince(): number {
  return performance.now() - begun.at
}
