import { AsyncLocalStorage } from 'node:async_hooks'
import genericPool from 'generic-pool'
import { describe, expect, test, vi } from 'vitest'
import { afterFork, LeaseReleasedError } from '../src/index.ts'
import { FakeDriver, FakeResource } from './support/fake-driver.ts'
import { endsOf, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'
import { unhandledIn } from './support/uncaught.ts'

// Each test first shows the fault on a bare generic-pool. Otherwise it would prove nothing.

useFakeTime()

/** Returns a factory for generic-pool: a driver's `create` and `destroy`, and the given additions. */
function bare(
  factory: Partial<genericPool.Factory<FakeResource>>,
  options: genericPool.Options = {},
): genericPool.Pool<FakeResource> {
  let opened = 0
  return genericPool.createPool<FakeResource>(
    {
      create: async () => new FakeResource(++opened, 'db', new AbortController().signal),
      destroy: async (resource) => {
        resource.destroys++
      },
      ...factory,
    },
    options,
  )
}

describe('a create that fails is retried without a pause', () => {
  test('by generic-pool, thousands of times; by forksafe, a handful', async () => {
    vi.useRealTimers()
    let tries = 0
    const pool = bare(
      {
        // Fails in the next turn of the event loop, like a connection to a closed port.
        create: () =>
          new Promise((_resolve, reject) => {
            tries++
            setImmediate(() => reject(new Error('ECONNREFUSED')))
          }),
      },
      { acquireTimeoutMillis: 500 },
    )
    await errorOf(Promise.resolve(pool.acquire()))
    expect(tries).toBeGreaterThan(100)

    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    await errorOf(openPool(driver).acquire({ timeoutMillis: 500 }))
    expect(driver.count('create')).toBeLessThan(60)
  })

  test('and if it fails at once, generic-pool blocks the event loop, so that no timeout fires', async () => {
    vi.useRealTimers()
    const LIMIT = 20_000
    const turnsWhile = async (
      run: (fail: () => Promise<FakeResource>) => Promise<unknown>,
    ): Promise<{ tries: number; turned: boolean }> => {
      let tries = 0
      let turned = false
      setImmediate(() => {
        turned = true
      })
      const limited = new Promise<unknown>((resolve) => {
        const fail = (): Promise<FakeResource> => {
          if (++tries < LIMIT) return Promise.reject(new Error('no'))
          resolve(undefined)
          return new Promise(() => undefined)
        }
        void run(fail).then(resolve)
      })
      await limited
      return { tries, turned }
    }
    expect(
      await turnsWhile((create) =>
        errorOf(Promise.resolve(bare({ create }, { acquireTimeoutMillis: 20 }).acquire())),
      ),
    ).toEqual({ tries: LIMIT, turned: false })

    const ours = await turnsWhile((create) => {
      const driver = Object.assign(new FakeDriver(), { create })
      return errorOf(openPool(driver).acquire({ timeoutMillis: 20 }))
    })
    expect(ours.turned).toBe(true)
    expect(ours.tries).toBeLessThan(40)
  })

  test('and a waiting caller of generic-pool never gets the reason', async () => {
    const pool = bare(
      {
        create: () =>
          new Promise((_resolve, reject) => {
            setTimeout(() => reject(new Error('wrong password')), 10)
          }),
      },
      { acquireTimeoutMillis: 100 },
    )
    const theirs = errorOf(Promise.resolve(pool.acquire()))
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const ours = errorOf(openPool(driver).acquire({ timeoutMillis: 100 }))
    await pass(101)
    expect(await theirs).not.toHaveProperty('cause')
    expect(String(await theirs)).not.toContain('wrong password')
    expect(await ours).toMatchObject({ cause: { message: 'create failed' } })
  })
})

describe('a validate that rejects or hangs occupies a slot forever', () => {
  test.each(['reject', 'hang'] as const)('in generic-pool, not in forksafe: %s', async (how) => {
    const pool = bare(
      {
        validate: () =>
          how === 'reject' ? Promise.reject(new Error('no')) : new Promise(() => undefined),
      },
      { max: 1, testOnBorrow: true, acquireTimeoutMillis: 10_000 },
    )
    const unhandled = await unhandledIn(async () => {
      const first = errorOf(Promise.resolve(pool.acquire()))
      await pass(10_001)
      await first
      const second = errorOf(Promise.resolve(pool.acquire()))
      await pass(10_001)
      await second
    })
    expect(unhandled).toHaveLength(how === 'reject' ? 1 : 0)
    expect(pool).toMatchObject({ size: 1, available: 0, borrowed: 0 })

    const driver = new FakeDriver({ hooks: ['validate'] })
    const ours = openPool(driver, { max: 1 })
    const none = await unhandledIn(async () => {
      await openIdle(ours, 1)
      await pass(1_000)
      driver.plans.validate = how
      const lease = ours.acquire({ timeoutMillis: 10_000 })
      await pass(2_001)
      expect(await idOf(lease)).toBe(2)
    })
    expect(none).toEqual([])
  })
})

describe('a hook that throws synchronously', () => {
  test('in create escapes from generic-pool, and leaves a stale waiter in the queue', async () => {
    const pool = bare({
      create: () => {
        throw new Error('bad config')
      },
    })
    expect(() => pool.acquire()).toThrow('bad config')
    expect(pool.pending).toBe(1)

    const driver = new FakeDriver()
    driver.plans.create = 'throw'
    const ours = openPool(driver)
    const error = errorOf(ours.acquire({ timeoutMillis: 100 }))
    await pass(101)
    expect(await error).toMatchObject({ cause: { message: 'create failed' } })
    expect(ours.stats.waiting).toBe(0)
  })

  test('in destroy becomes an uncaught exception in the evictor of generic-pool', async () => {
    const pool = bare(
      {
        destroy: () => {
          throw new Error('already closed')
        },
      },
      { evictionRunIntervalMillis: 100, idleTimeoutMillis: 10 },
    )
    await pool.release(await pool.acquire())
    expect(() => vi.advanceTimersByTime(100)).toThrow('already closed')

    const driver = new FakeDriver()
    driver.plans.destroy = 'throw'
    const ours = openPool(driver, { idleTimeoutMillis: 10 })
    await openIdle(ours, 1)
    await pass(100)
    expect(ours.stats.size).toBe(0)
    expect(driver.resource(1).discards).toBe(1)
  })
})

describe('a create that hangs', () => {
  test('keeps its slot in generic-pool, whose drain() and clear() then never settle', async () => {
    const pool = bare(
      { create: () => new Promise(() => undefined) },
      { max: 1, acquireTimeoutMillis: 100 },
    )
    const first = errorOf(Promise.resolve(pool.acquire()))
    await pass(86_400_000)
    await first
    expect(pool.size).toBe(1)
    const drained = follow(pool.drain().then(() => pool.clear()))
    await pass(86_400_000)
    expect(drained.outcome.state).toBe('pending')

    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const ours = openPool(driver, { max: 1 })
    const waiter = errorOf(ours.acquire({ timeoutMillis: 100 }))
    await pass(10_000)
    expect(ours.stats.size).toBe(0)
    expect(await waiter).toHaveProperty('code', 'FORKSAFE_ACQUIRE_TIMEOUT')
    const closed = follow(ours.close())
    await pass(30_000)
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('or fails is retried by a draining generic-pool without end', async () => {
    let tries = 0
    const pool = bare({
      create: () =>
        new Promise((_resolve, reject) => {
          tries++
          setTimeout(() => reject(new Error('down')), 1)
        }),
    })
    follow(Promise.resolve(pool.acquire()))
    const drained = follow(pool.drain())
    await pass(1_000)
    expect(tries).toBeGreaterThan(500)
    expect(drained.outcome.state).toBe('pending')

    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const ours = openPool(driver)
    follow(ours.acquire())
    const closed = follow(ours.close({ deadlineMillis: 1_000 }))
    await pass(1_000)
    expect(closed.outcome.state).toBe('fulfilled')
    const before = driver.count('create')
    await pass(60_000)
    expect(driver.count('create')).toBe(before)
  })
})

test('clear() of generic-pool leaves destroyed resources lendable; recycle() does not', async () => {
  const pool = bare({})
  await pool.release(await pool.acquire())
  await pool.clear()
  expect((await pool.acquire()).destroys).toBe(1)

  const driver = new FakeDriver()
  const ours = openPool(driver)
  await openIdle(ours, 1)
  ours.recycle()
  const lease = await ours.acquire()
  expect(lease.resource.open).toBe(true)
  expect(driver.resource(1).destroys).toBe(1)
})

test('a second release lends one resource to two holders in generic-pool, and throws in forksafe', async () => {
  const pool = bare({}, { max: 1 })
  const mine = await pool.acquire()
  await pool.release(mine)
  const yours = await pool.acquire()
  await pool.release(mine)
  const theirs = await pool.acquire()
  expect(theirs).toBe(yours)

  const ours = openPool(new FakeDriver(), { max: 1 })
  const first = await ours.acquire()
  first.release()
  await ours.acquire()
  expect(() => first.release()).toThrow(LeaseReleasedError)
  const third = follow(ours.acquire())
  await settled()
  expect(third.outcome.state).toBe('pending')
})

describe('a resource that is idle', () => {
  test('and dead cannot be removed from generic-pool', async () => {
    const pool = bare({})
    const dead = await pool.acquire()
    await pool.release(dead)
    await errorOf(Promise.resolve(pool.destroy(dead)))
    expect(await pool.acquire()).toBe(dead)

    const driver = new FakeDriver()
    const ours = openPool(driver)
    await openIdle(ours, 1)
    driver.resource(1).lose()
    expect(await idOf(ours.acquire())).toBe(2)
  })

  test('stays forever in generic-pool by default, and has no maximum lifetime', async () => {
    const pool = bare({})
    await pool.release(await pool.acquire())
    await pass(86_400_000)
    expect(pool.available).toBe(1)

    const ours = openPool(new FakeDriver(), { min: 1 })
    const ends = endsOf(ours)
    await openIdle(ours, 2)
    await pass(1_801_000)
    expect([...ends].sort()).toEqual(['idle', 'lifetime'])
  })
})

test('min is not refilled after a failed create in generic-pool, and ready() never settles', async () => {
  let tries = 0
  const pool = bare(
    {
      create: async () => {
        if (++tries === 1) throw new Error('not yet')
        return new FakeResource(tries, 'db', new AbortController().signal)
      },
    },
    { min: 1, max: 1 },
  )
  const ready = follow(pool.ready())
  await pass(60_000)
  expect(ready.outcome.state).toBe('pending')
  expect(pool.size).toBe(0)

  const driver = new FakeDriver()
  driver.plans.create = 'reject'
  const ours = openPool(driver, { min: 1, max: 1 })
  expect(await errorOf(ours.warmUp())).toMatchObject({ cause: { message: 'create failed' } })
  driver.plans.create = 'pass'
  await pass(5_000)
  expect(ours.stats).toMatchObject({ size: 1, idle: 1 })
})

describe('use()', () => {
  test('of generic-pool keeps the resource when the work throws synchronously', async () => {
    const work = (): never => {
      throw new Error('mine')
    }
    const pool = bare({}, { max: 1 })
    await errorOf(Promise.resolve(pool.use(work)))
    expect(pool).toMatchObject({ borrowed: 1, available: 0 })

    const ours = openPool(new FakeDriver(), { max: 1 })
    await errorOf(ours.use(work))
    expect(ours.stats).toMatchObject({ borrowed: 0, idle: 1 })
  })

  test('of generic-pool destroys a healthy resource after any error of the work', async () => {
    const work = (): Promise<never> => Promise.reject(new Error('no such row'))
    const pool = bare({}, { max: 1 })
    await errorOf(Promise.resolve(pool.use(work)))
    expect(pool).toMatchObject({ size: 0 })

    const driver = new FakeDriver()
    await errorOf(openPool(driver, { max: 1 }).use(work))
    await settled()
    expect(driver.count('destroy')).toBe(0)
  })
})

test('testOnReturn of generic-pool does nothing; forksafe lends no resource before its reset is done', async () => {
  const validate = vi.fn<() => Promise<boolean>>(() => Promise.resolve(false))
  const pool = bare({ validate }, { testOnReturn: true })
  await pool.release(await pool.acquire())
  await pass(1_000)
  expect(validate).not.toHaveBeenCalled()
  expect(pool.available).toBe(1)

  const driver = new FakeDriver({ hooks: ['reset'] })
  driver.plans.reset = { afterMillis: 10, outcome: 'reject' }
  const ours = openPool(driver)
  await openIdle(ours, 1)
  expect(ours.stats.idle).toBe(0)
  await pass(10)
  expect(ours.stats.size).toBe(0)
})

test('slow destroys overshoot max in generic-pool: five exist at a max of 1', async () => {
  const existing = new Set<FakeResource>()
  let most = 0
  let opened = 0
  const pool = bare(
    {
      create: async () => {
        const resource = new FakeResource(++opened, 'db', new AbortController().signal)
        existing.add(resource)
        most = Math.max(most, existing.size)
        return resource
      },
      destroy: (resource) =>
        new Promise((resolve) => {
          setTimeout(() => {
            existing.delete(resource)
            resolve()
          }, 1_000)
        }),
    },
    { max: 1 },
  )
  for (let use = 0; use < 5; use++) await pool.destroy(await pool.acquire())
  expect(most).toBe(5)

  const driver = new FakeDriver()
  driver.plans.destroy = { afterMillis: 1_000, outcome: 'pass' }
  const ours = openPool(driver, { max: 1 })
  const uses = Array.from({ length: 5 }, () => ours.use((_resource, lease) => lease.destroy()))
  await pass(5_000)
  await Promise.all(uses)
  expect(driver.mostAtOnce).toBe(1)
})

test('create and validate run in the context of the caller in generic-pool, and in a context of their own in forksafe', async () => {
  const context = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const note = (): true => {
    seen.push(context.getStore())
    return true
  }
  const pool = bare(
    {
      create: async () => {
        note()
        return new FakeResource(1, 'db', new AbortController().signal)
      },
      validate: async () => note(),
    },
    { testOnBorrow: true },
  )
  await context.run('request', () => pool.acquire())
  expect(seen).toEqual(['request', 'request'])

  seen.length = 0
  const driver = new FakeDriver({ hooks: ['validate'] })
  driver.onCall = note
  const ours = openPool(driver, { validateAfterIdleMillis: 0 })
  await context.run('request', () => openIdle(ours, 1))
  await context.run('request', () => ours.acquire())
  expect(seen).toEqual([undefined, undefined])
})

test('in a child, generic-pool cannot drop resources silently, reopens min, and its evictor keeps running; afterFork() fixes this', async () => {
  const destroy = vi.fn<() => Promise<void>>(async () => undefined)
  const create = vi.fn<() => Promise<FakeResource>>(
    async () => new FakeResource(1, 'db', new AbortController().signal),
  )
  const pool = bare({ create, destroy }, { min: 1, evictionRunIntervalMillis: 1_000 })
  await settled()
  await pool.clear()
  expect(destroy).toHaveBeenCalledOnce()
  expect(create).toHaveBeenCalledTimes(2)
  expect(vi.getTimerCount()).toBe(1)
  await pool.drain()
  expect(vi.getTimerCount()).toBe(0)

  const driver = new FakeDriver()
  const ours = openPool(driver, { min: 1, idleTimeoutMillis: 1_000 })
  await openIdle(ours, 2)
  expect(vi.getTimerCount()).toBeGreaterThan(0)
  afterFork()
  expect(vi.getTimerCount()).toBe(0)
  await pass(60_000)
  expect(driver.count('destroy')).toBe(0)
  expect(driver.count('discard')).toBe(2)
  expect(driver.count('create')).toBe(2)
})
