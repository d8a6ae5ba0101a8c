import { describe, expect, test, vi } from 'vitest'
import type { PoolEvents } from '../src/index.ts'
import { FakeDriver, HookError, type HookName } from './support/fake-driver.ts'
import { acquireMany, endsOf, type FakePool, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'
import { unhandledIn } from './support/uncaught.ts'

const anId = expect.any(Number) as number

useFakeTime()

const STALE = 1_000

function hookErrorsOf(pool: FakePool): PoolEvents['hookError'][0][] {
  const errors: PoolEvents['hookError'][0][] = []
  pool.on('hookError', (details) => errors.push(details))
  return errors
}

describe('a validation', () => {
  test.each(['throw', 'reject'] as const)(
    'that fails (%s) ends the resource, and the waiting caller gets another',
    async (how) => {
      const driver = new FakeDriver({ hooks: ['validate'] })
      const pool = openPool(driver, { max: 1 })
      const ends = endsOf(pool)
      const errors = hookErrorsOf(pool)
      await openIdle(pool, 1)
      await pass(STALE)
      driver.plans.validate = how

      const unhandled = await unhandledIn(async () => {
        expect(await idOf(pool.acquire())).toBe(2)
      })

      expect(unhandled).toEqual([])
      expect(ends).toEqual(['invalid'])
      expect(errors).toEqual([
        { id: anId, generation: 1, hook: 'validate', error: expect.any(HookError) },
      ])
      expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
      expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
    },
  )

  test('that returns false ends the resource without an error', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    const errors = hookErrorsOf(pool)
    await openIdle(pool, 1)
    await pass(STALE)
    driver.valid = false
    expect(await idOf(pool.acquire())).toBe(2)
    expect(ends).toEqual(['invalid'])
    expect(errors).toEqual([])
  })

  test('that hangs is abandoned after validateTimeoutMillis', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 1 })
    const errors = hookErrorsOf(pool)
    await openIdle(pool, 1)
    await pass(STALE)
    driver.plans.validate = 'hang'
    const waiter = follow(pool.acquire())
    await pass(1_999)
    expect(waiter.outcome.state).toBe('pending')
    await pass(2)
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(errors).toHaveLength(1)
    expect(errors[0]?.error).toHaveProperty('message', expect.stringMatching(/validate.*2000 ms/))

    // Its later result is ignored.
    const unhandled = await unhandledIn(async () => {
      driver.settle('validate', 'reject')
      await settled()
    })
    expect(unhandled).toEqual([])
    expect(errors).toHaveLength(1)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
  })

  test('that fails for many idle resources costs its caller no more than opening a new one', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 5 })
    await openIdle(pool, 5)
    await pass(STALE)
    driver.valid = false
    expect(await idOf(pool.acquire())).toBe(6)
    expect(driver.count('validate')).toBe(5)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })

  test('runs before lending a resource that was idle for longer than validateAfterIdleMillis', async () => {
    const driver = new FakeDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 1 })
    await openIdle(pool, 1)
    await pass(300)
    await openIdle(pool, 1)
    expect(driver.count('validate')).toBe(0)
    await pass(501)
    await openIdle(pool, 1)
    expect(driver.count('validate')).toBe(1)
  })
})

describe('a reset', () => {
  test.each(['throw', 'reject'] as const)(
    'that fails (%s) ends the resource, and the waiting caller gets another',
    async (how) => {
      const driver = new FakeDriver({ hooks: ['reset'] })
      driver.plans.reset = how
      const pool = openPool(driver, { max: 1 })
      const ends = endsOf(pool)
      const errors = hookErrorsOf(pool)
      const lease = await pool.acquire()
      const waiter = pool.acquire()
      const unhandled = await unhandledIn(async () => {
        lease.release()
        expect(await idOf(waiter)).toBe(2)
      })
      expect(unhandled).toEqual([])
      expect(ends).toEqual(['reset'])
      expect(errors).toEqual([
        { id: anId, generation: 1, hook: 'reset', error: expect.any(HookError) },
      ])
      expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
    },
  )

  test('that hangs is abandoned after validateTimeoutMillis', async () => {
    const driver = new FakeDriver({ hooks: ['reset'] })
    driver.plans.reset = 'hang'
    const pool = openPool(driver, { max: 1, validateTimeoutMillis: 100 })
    const errors = hookErrorsOf(pool)
    const lease = await pool.acquire()
    const waiter = follow(pool.acquire())
    lease.release()
    await pass(101)
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(errors.map(({ hook }) => hook)).toEqual(['reset'])
    // A resource that hangs would not answer a polite close either.
    expect(driver.resource(1)).toMatchObject({ destroys: 0, discards: 1 })
    driver.settle('reset')
    await settled()
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
  })

  test('that is synchronous hands the resource over in the same turn', async () => {
    const driver = new FakeDriver()
    const pool = openPool(Object.assign(driver, { reset: () => undefined }), { max: 1 })
    const lease = await pool.acquire()
    lease.release()
    expect(pool.stats.idle).toBe(1)
  })
})

describe('a destroy', () => {
  test.each(['throw', 'reject'] as const)(
    'that fails (%s) is followed by a discard, and its slot is free',
    async (how) => {
      const driver = new FakeDriver()
      driver.plans.destroy = how
      const pool = openPool(driver, { max: 1 })
      const ends = endsOf(pool)
      const errors = hookErrorsOf(pool)
      const lease = await pool.acquire()
      const waiter = pool.acquire()
      const unhandled = await unhandledIn(async () => {
        lease.destroy()
        expect(await idOf(waiter)).toBe(2)
      })
      expect(unhandled).toEqual([])
      expect(ends).toEqual(['broken'])
      expect(errors).toEqual([
        { id: anId, generation: 1, hook: 'destroy', error: expect.any(HookError) },
      ])
      expect(driver.resource(1)).toMatchObject({ destroys: 0, discards: 1 })
    },
  )

  test('that hangs is abandoned after destroyTimeoutMillis, and the resource is discarded', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = openPool(driver, { max: 1 })
    const errors = hookErrorsOf(pool)
    const lease = await pool.acquire()
    const waiter = follow(pool.acquire())
    lease.destroy()
    await pass(4_999)
    expect(waiter.outcome.state).toBe('pending')
    await pass(2)
    expect(waiter.outcome.state).toBe('fulfilled')
    expect(driver.resource(1)).toMatchObject({ destroys: 0, discards: 1 })
    expect(errors.map(({ hook }) => hook)).toEqual(['destroy'])

    const unhandled = await unhandledIn(async () => {
      driver.settle('destroy', 'reject')
      await settled()
    })
    expect(unhandled).toEqual([])
    expect(errors).toHaveLength(1)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, destroying: 0 })
  })

  test('that fails, and whose discard fails too, still frees its slot', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'reject'
    driver.plans.discard = 'throw'
    const pool = openPool(driver, { max: 1 })
    const errors = hookErrorsOf(pool)
    const lease = await pool.acquire()
    lease.destroy()
    expect(await idOf(pool.acquire())).toBe(2)
    expect(errors.map(({ hook }) => hook)).toEqual(['destroy', 'discard'])
  })
})

describe('a watch that throws', () => {
  test('leaves the resource usable', async () => {
    const driver = new FakeDriver()
    driver.plans.watch = 'throw'
    const pool = openPool(driver)
    const errors = hookErrorsOf(pool)
    const lease = await pool.acquire()
    expect(lease.resource.id).toBe(1)
    expect(errors).toEqual([
      { id: anId, generation: 1, hook: 'watch', error: expect.any(HookError) },
    ])
    lease.release()
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })
})

describe('ref and unref', () => {
  test('are called when a resource is lent and when it becomes idle', async () => {
    const driver = new FakeDriver({ hooks: ['ref', 'unref'] })
    const pool = openPool(driver)
    const lease = await pool.acquire()
    const [resource] = driver.resources
    // An open resource keeps the process alive before `ref` is called for it.
    expect(resource?.unrefs).toBe(0)
    lease.release()
    expect(resource?.unrefs).toBe(1)
    const refs = resource?.refs ?? 0
    const again = await pool.acquire()
    expect(resource).toMatchObject({ refs: refs + 1, unrefs: 1 })
    again.release()
    expect(resource?.unrefs).toBe(2)
  })

  test('are not called if idle resources must keep the process alive', async () => {
    const driver = new FakeDriver({ hooks: ['ref', 'unref'] })
    const pool = openPool(driver, { allowExitOnIdle: false })
    await openIdle(pool, 2)
    await acquireMany(pool, 2)
    expect(driver.count('ref') + driver.count('unref')).toBe(0)
  })

  test('work if the driver has only one of them', async () => {
    const driver = new FakeDriver({ hooks: ['unref'] })
    const pool = openPool(driver)
    const errors = hookErrorsOf(pool)
    await openIdle(pool, 1)
    await pool.acquire()
    expect(driver.count('unref')).toBe(1)
    expect(errors).toEqual([])
  })

  test('that throw do not affect callers', async () => {
    const driver = new FakeDriver({ hooks: ['ref', 'unref'] })
    driver.plans.ref = 'throw'
    driver.plans.unref = 'throw'
    const pool = openPool(driver, { max: 1 })
    const errors = hookErrorsOf(pool)
    const lease = await pool.acquire()
    const waiter = pool.acquire()
    lease.release()
    expect(await idOf(waiter)).toBe(1)
    await waiter.then((next) => next.release())
    expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0 })
    expect(new Set(errors.map(({ hook }) => hook))).toEqual(new Set(['ref', 'unref']))
  })
})

describe('a classify', () => {
  test('that throws makes the failure transient', async () => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.plans.classify = 'throw'
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const errors = hookErrorsOf(pool)
    const failed = vi.fn<(details: { kind: string }) => void>()
    pool.on('createError', failed)
    const waiter = follow(pool.acquire())
    await settled()
    expect(waiter.outcome.state).toBe('pending')
    expect(failed.mock.calls[0]?.[0].kind).toBe('transient')
    expect(errors).toEqual([
      { id: anId, generation: 1, hook: 'classify', error: expect.any(HookError) },
    ])
  })

  test('receives the error of the create', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const classify = vi.fn<(error: unknown) => 'transient'>(() => 'transient')
    const pool = openPool(Object.assign(driver, { classify }))
    follow(pool.acquire({ timeoutMillis: 1 }))
    await settled()
    expect(classify).toHaveBeenCalledExactlyOnceWith(expect.any(HookError))
  })

  test('that is async makes the failure transient, and its rejection does not affect callers', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const classify = (): never => Promise.reject(new HookError('classify')) as never
    const pool = openPool(Object.assign(driver, { classify }))
    const errors = hookErrorsOf(pool)
    const unhandled = await unhandledIn(async () => {
      follow(pool.acquire())
      await settled()
    })
    expect(unhandled).toEqual([])
    expect(errors.map(({ error }) => String(error))).toEqual([
      expect.stringContaining('Expected `classify` of driver "fake" to give'),
    ])
  })

  test('that returns an unknown kind makes the failure transient', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(Object.assign(driver, { classify: () => 'whatever' as 'fatal' }))
    const failed = vi.fn<(details: { kind: string }) => void>()
    pool.on('createError', failed)
    follow(pool.acquire())
    await settled()
    expect(failed.mock.calls[0]?.[0].kind).toBe('transient')
  })
})

describe('an async function for a synchronous hook', () => {
  // TypeScript accepts an async function where a function without a result is expected.
  test.each(['discard', 'watch', 'ref', 'unref'] as const)(
    'reports its rejection: %s',
    async (hook) => {
      const driver = new FakeDriver({ hooks: [] })
      driver.plans.destroy = 'reject'
      const failing = Object.assign(driver, {
        [hook]: () => Promise.reject(new HookError(hook)),
      })
      const pool = openPool(failing)
      const errors = hookErrorsOf(pool)
      const unhandled = await unhandledIn(async () => {
        await openIdle(pool, 1)
        const lease = await pool.acquire()
        lease.destroy()
        await settled()
      })
      expect(unhandled).toEqual([])
      expect(errors.map((error) => error.hook)).toContain(hook)
      expect(pool.stats.size).toBe(0)
    },
  )
})

describe('no hook, however it fails,', () => {
  const hooks: HookName[] = ['create', 'validate', 'reset', 'destroy', 'watch', 'ref', 'unref']
  const plans = ['throw', 'reject', 'hang'] as const
  test.each(hooks.flatMap((hook) => plans.map((plan) => ({ hook, plan }))))(
    'loses a slot or causes an unhandled rejection: $hook, $plan',
    async ({ hook, plan }) => {
      const driver = new FakeDriver({
        hooks: ['watch', 'validate', 'reset', 'ref', 'unref', 'classify'],
      })
      const pool = openPool(driver, { max: 3, validateAfterIdleMillis: 0 })
      const unhandled = await unhandledIn(async () => {
        await openIdle(pool, 3)
        await settled()
        driver.plans[hook] = plan
        const callers = Array.from({ length: 12 }, (_, index) =>
          follow(
            pool.acquire({ timeoutMillis: 20_000 }).then((lease) => {
              if (index % 2 === 0) lease.release()
              else lease.destroy()
            }),
          ),
        )
        await pass(120_000)
        for (const { outcome } of callers) expect(outcome.state).not.toBe('pending')
        driver.plans[hook] = 'pass'
        driver.settle(hook, 'reject')
        await pass(60_000)
      })
      expect(unhandled).toEqual([])
      expect(driver.mostAtOnce).toBeLessThanOrEqual(3)
      expect(pool.stats).toMatchObject({ borrowed: 0, waiting: 0, creating: 0, destroying: 0 })

      // Every slot is available again.
      const leases = await acquireMany(pool, 3)
      expect(new Set(leases.map(({ resource }) => resource)).size).toBe(3)
      expect(pool.stats).toMatchObject({ size: 3, borrowed: 3 })
      const fourth = errorOf(pool.acquire({ timeoutMillis: 10 }))
      await pass(11)
      expect(await fourth).toHaveProperty('code', 'FORKSAFE_ACQUIRE_TIMEOUT')
      for (const lease of leases) lease.release()
      await pass(1)
      await pool.close()
      expect(driver.open).toEqual([])
      for (const { destroys, discards } of driver.resources) expect(destroys + discards).toBe(1)
    },
  )
})
