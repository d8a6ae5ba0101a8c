import { describe, expect, test, vi } from 'vitest'
import type { IdentitySource } from '../src/identity/sources.ts'
import type * as Identity from '../src/identity/identity.ts'
import { processIdentity, ProcessIdentity } from '../src/identity/identity.ts'
import {
  afterFork,
  afterRestore,
  createForkSafePool,
  type Lease,
  LeaseReleasedError,
  type PoolEvents,
  type ResetContext,
  StaleResourceError,
} from '../src/index.ts'
import { Pool } from '../src/pool.ts'
import { openPool as openFakePool } from './support/pools.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { FakeProcess } from './support/process.ts'
import { nextUncaught } from './support/uncaught.ts'
import { errorOf, follow, microtasks, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

type Change = PoolEvents['processChange'][0]

/** Creates a pool with the real identity of this process. */
function openPool(driver: FakeDriver, options: { min?: number; max?: number } = {}) {
  const pool = openFakePool(driver, options)
  const changes: Change[] = []
  pool.on('processChange', (change) => changes.push(change))
  return { pool, changes }
}

function expectDiscardedOnce(resource: FakeResource): void {
  expect({ destroys: resource.destroys, discards: resource.discards }).toEqual({
    destroys: 0,
    discards: 1,
  })
}

describe('afterFork() in the child', () => {
  test('discards idle resources at once, and destroys none', async () => {
    const driver = new FakeDriver()
    const { pool, changes } = openPool(driver)
    const leases = await Promise.all([pool.acquire(), pool.acquire()])
    for (const lease of leases) lease.release()
    expect(pool.stats.idle).toBe(2)

    afterFork()

    for (const resource of driver.resources) expectDiscardedOnce(resource)
    expect(driver.count('destroy')).toBe(0)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, generation: 2 })
    expect(changes).toEqual([
      { reason: 'fork', incarnation: expect.any(Number) as number, generation: 2, discarded: 2 },
    ])
  })

  test('discards a borrowed resource, and the next use of its lease throws', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver)
    const lease = await pool.acquire()

    afterFork()

    expectDiscardedOnce(driver.resource(1))
    expect(() => lease.resource).toThrow(StaleResourceError)
    expect(() => lease.resource).toThrow('"fake"')
    expect(pool.stats).toMatchObject({ size: 0, borrowed: 0 })
  })

  test('makes release and destroy of an inherited lease no-ops, also when repeated', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    const { pool } = openPool(driver)
    const lease = await pool.acquire()
    const other = await pool.acquire()

    afterFork()
    lease.release()
    lease.release()
    lease.destroy(new Error('broken'))
    lease[Symbol.dispose]()
    await other[Symbol.asyncDispose]()
    await settled()

    for (const resource of driver.resources) expectDiscardedOnce(resource)
    expect(driver.count('reset')).toBe(0)
    expect(pool.stats.size).toBe(0)
  })

  test('ends a use() whose callback continues, without touching the resource', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver)
    const used = pool.use(async (resource, lease) => {
      afterFork()
      expect(() => lease.resource).toThrow(StaleResourceError)
      return resource.id
    })

    expect(await used).toBe(1)
    expectDiscardedOnce(driver.resource(1))
    expect(pool.stats.size).toBe(0)
  })

  test('aborts a create in flight and never adopts what it opens', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    driver.plans.create = 'hang'
    const { pool, changes } = openPool(driver)
    const waiter = follow(pool.acquire())

    afterFork()

    expect(driver.signals[0]?.aborted).toBe(true)
    driver.settle('create')
    await settled()
    expectDiscardedOnce(driver.resource(1))
    expect(pool.stats).toMatchObject({ size: 0, creating: 0 })
    expect(waiter.outcome).toMatchObject({ state: 'rejected' })
    expect(changes[0]?.discarded).toBe(0)
  })

  test('does not report a create in flight that fails in the child', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const { pool } = openPool(driver)
    const failed = vi.fn<() => void>()
    pool.on('createError', failed)
    follow(pool.acquire())

    afterFork()
    driver.settle('create', 'reject')
    await pass(60_000)

    expect(failed).not.toHaveBeenCalled()
    expect(driver.count('create')).toBe(1)
  })

  test('abandons a create whose `connection` function is still pending', async () => {
    const driver = new FakeDriver()
    let tell: (connection: string) => void = () => undefined
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: () =>
        new Promise((resolve) => {
          tell = resolve
        }),
    })
    follow(pool.acquire())

    afterFork()
    tell('late')
    await settled()

    expect(driver.count('create')).toBe(0)
  })

  test('abandons a validation, and discards its resource', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const { pool } = openPool(driver)
    const first = await pool.acquire()
    first.release()
    await pass(1_000)
    driver.plans.validate = 'hang'
    const waiter = follow(pool.acquire())
    expect(driver.count('validate')).toBe(1)

    afterFork()
    driver.settle('validate')
    await settled()

    expectDiscardedOnce(driver.resource(1))
    expect(waiter.outcome).toMatchObject({ state: 'rejected' })
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
  })

  test('abandons a reset, and discards its resource', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    driver.plans.reset = 'hang'
    const { pool } = openPool(driver)
    const lease = await pool.acquire()
    lease.release()

    afterFork()
    driver.settle('reset')
    await settled()

    expectDiscardedOnce(driver.resource(1))
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
  })

  test('discards a resource that was being destroyed, without reporting a destroy', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const { pool, changes } = openPool(driver)
    const destroyed = vi.fn<() => void>()
    pool.on('destroy', destroyed)
    const lease = await pool.acquire()
    lease.destroy()
    expect(pool.stats.destroying).toBe(1)

    afterFork()
    expectDiscardedOnce(driver.resource(1))
    driver.settle('destroy', 'reject')
    await pass(60_000)

    expect(driver.resource(1).discards).toBe(1)
    expect(pool.stats).toMatchObject({ size: 0, destroying: 0 })
    expect(destroyed).not.toHaveBeenCalled()
    expect(changes[0]?.discarded).toBe(1)
  })

  test('rejects waiting callers, because their wait belongs to the other process', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver, { max: 1 })
    await pool.acquire()
    const waiters = [pool.acquire(), pool.use(() => 1), pool.acquire({ priority: -1 })]

    afterFork()

    for (const waiter of waiters) {
      const error = await errorOf(waiter)
      expect(error).toBeInstanceOf(StaleResourceError)
      expect(error).toMatchObject({ pool: 'fake', code: 'FORKSAFE_STALE_RESOURCE' })
    }
    expect(pool.stats.waiting).toBe(0)
    expect(driver.count('create')).toBe(1)
  })

  test('rejects a warm-up that was started before', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const { pool } = openPool(driver, { min: 2 })
    const warm = follow(pool.warmUp())

    afterFork()
    await settled()

    expect(warm.outcome).toMatchObject({ state: 'rejected' })
    expect(warm.outcome).toHaveProperty('error', expect.any(StaleResourceError))
  })

  test('ends every timer of the old generation', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
    const { pool } = openPool(driver, { min: 1, max: 5 })
    const lent = await pool.acquire()
    const idle = await pool.acquire()
    const resetting = await pool.acquire()
    const destroying = await pool.acquire()
    idle.release()
    await settled()
    driver.plans.reset = 'hang'
    resetting.release()
    driver.plans.destroy = 'hang'
    destroying.destroy()
    driver.plans.create = 'hang'
    follow(pool.acquire())
    follow(pool.acquire())
    expect(lent.resource.id).toBe(1)

    afterFork()
    await settled()

    expect(vi.getTimerCount()).toBe(0)
  })

  test('removes the listener of a waiting caller from its signal', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver, { max: 1 })
    await pool.acquire()
    const controller = new AbortController()
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const error = errorOf(pool.acquire({ signal: controller.signal }))

    afterFork()
    controller.abort(new Error('too late'))

    expect(await error).toBeInstanceOf(StaleResourceError)
    expect(removed).toHaveBeenCalledOnce()
    expect(pool.stats.waiting).toBe(0)
  })

  test('keeps listeners, options and methods', async () => {
    const driver = new FakeDriver()
    const withMethods = Object.assign(driver, {
      methods: (pool: { acquire(): Promise<Lease<FakeResource>> }) => ({
        idOf: async () => {
          using lease = await pool.acquire()
          return lease.resource.id
        },
      }),
    })
    const pool = createForkSafePool(withMethods, { connection: 'db', max: 3, name: 'kept' })
    const created = vi.fn<() => void>()
    pool.on('create', created)
    expect(await pool.idOf()).toBe(1)

    afterFork()

    expect(await pool.idOf()).toBe(2)
    expect(created).toHaveBeenCalledTimes(2)
    expect(pool.stats).toMatchObject({ name: 'kept', max: 3, generation: 2 })
  })

  test('opens nothing until the child uses the pool, and then only what it needs instead of min', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver, { min: 5 })
    await pool.warmUp()
    expect(driver.count('create')).toBe(5)

    afterFork()
    await pass(600_000)
    expect(driver.count('create')).toBe(5)

    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const lease = pool.acquire()
    expect(pool.stats.creating).toBe(1)
    await pass(10)
    expect((await lease).resource.id).toBe(6)
    expect((await lease).generation).toBe(2)
    expect(pool.stats.creating).toBeLessThanOrEqual(1)
    await pass(1_000)
    expect(pool.stats.size).toBe(5)
  })

  test('does not let a child inherit the pause of a failing server', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: 'db',
      backoff: { minMillis: 60_000, maxMillis: 60_000 },
    })
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    follow(pool.acquire({ timeoutMillis: 10 }))
    await pass(20)
    driver.plans.create = 'pass'

    afterFork()

    const lease = follow(pool.acquire())
    await settled()
    expect(lease.outcome.state).toBe('fulfilled')
  })

  test('discards the resource of a create that was abandoned and forgotten before the fork', async () => {
    const driver = new FakeDriver({ heedsAbort: false })
    const { pool } = openPool(driver)
    driver.plans.create = 'hang'
    const waiter = follow(pool.acquire())
    pool.recycle()
    await settled()
    afterFork()
    await settled()
    driver.settle('create')
    await settled()
    expect(waiter.outcome.state).toBe('rejected')
    for (const resource of driver.resources) expectDiscardedOnce(resource)
    expect(driver.count('destroy')).toBe(0)
    expect(pool.stats).toMatchObject({ size: 0, destroying: 0 })
  })

  test('serves a caller in the middle of it with a resource of the child', async () => {
    const driver = new FakeDriver()
    driver.plans.discard = 'throw'
    const { pool } = openPool(driver)
    for (const lease of await Promise.all([pool.acquire(), pool.acquire()])) lease.release()
    let asked: Promise<Lease<FakeResource>> | undefined
    pool.on('hookError', () => {
      asked ??= pool.acquire()
    })
    afterFork()
    const lease = await (asked as unknown as Promise<Lease<FakeResource>>)
    expect(lease.resource.id).toBe(3)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })

  test('ignores a loss that is reported late', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver)
    const idle = await pool.acquire()
    idle.release()

    afterFork()
    driver.resource(1).lose()
    await settled()

    expectDiscardedOnce(driver.resource(1))
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, destroying: 0 })
  })

  test('survives a discard that throws, and still discards the others', async () => {
    const driver = new FakeDriver()
    driver.plans.discard = 'throw'
    const { pool, changes } = openPool(driver)
    const hookErrors = vi.fn<(details: { hook: string }) => void>()
    pool.on('hookError', hookErrors)
    const leases = await Promise.all([pool.acquire(), pool.acquire()])
    for (const lease of leases) lease.release()

    expect(() => afterFork()).not.toThrow()

    for (const resource of driver.resources) expect(resource.discards).toBe(1)
    expect(hookErrors).toHaveBeenCalledTimes(2)
    expect(hookErrors.mock.calls[0]?.[0]).toMatchObject({ hook: 'discard', generation: 1 })
    expect(changes[0]?.discarded).toBe(2)
  })

  test('reaches every pool of the process, even if a listener of one throws', async () => {
    const process = new FakeProcess()
    const first = process.pool(new FakeDriver())
    const second = process.pool(new FakeDriver())
    first.on('processChange', () => {
      throw new Error('a listener of mine')
    })
    const lease = await second.acquire()
    const uncaught = nextUncaught()

    process.hook()

    expect(() => lease.resource).toThrow(StaleResourceError)
    expect(await uncaught).toMatchObject({ message: 'a listener of mine' })
  })

  test('ends a close() that was started before, because nothing is left to wait for', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver)
    await pool.acquire()
    const closed = follow(pool.close())
    await settled()
    expect(closed.outcome.state).toBe('pending')

    afterFork()
    await settled()

    expect(closed.outcome.state).toBe('fulfilled')
    expectDiscardedOnce(driver.resource(1))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('also discards resources of a recycled generation', async () => {
    const driver = new FakeDriver()
    const { pool, changes } = openPool(driver)
    const old = await pool.acquire()
    pool.recycle()
    const fresh = await pool.acquire()

    afterFork()

    expect(() => old.resource).toThrow(StaleResourceError)
    expect(() => fresh.resource).toThrow(StaleResourceError)
    for (const resource of driver.resources) expectDiscardedOnce(resource)
    expect(changes).toEqual([
      { reason: 'fork', incarnation: expect.any(Number) as number, generation: 3, discarded: 2 },
    ])
  })

  test('can be called again in a child of the child', async () => {
    const driver = new FakeDriver()
    const { pool, changes } = openPool(driver)
    const first = await pool.acquire()
    afterFork()
    const second = await pool.acquire()
    afterFork()
    const third = await pool.acquire()

    expect(() => first.resource).toThrow(StaleResourceError)
    expect(() => second.resource).toThrow(StaleResourceError)
    expect(third.resource.id).toBe(3)
    expect(changes.map(({ generation }) => generation)).toEqual([2, 3])
  })

  test('does not affect a borrowed resource of the child when an inherited lease is released', async () => {
    const driver = new FakeDriver()
    const { pool } = openPool(driver, { max: 1 })
    const inherited = await pool.acquire()
    afterFork()
    const own = await pool.acquire()
    inherited.release()

    expect(own.resource.id).toBe(2)
    expect(pool.stats).toMatchObject({ borrowed: 1, idle: 0 })
  })

  test('reports the reason "restore" for a restore', async () => {
    const driver = new FakeDriver()
    const { pool, changes } = openPool(driver)
    const lease = await pool.acquire()

    afterRestore()

    expect(() => lease.resource).toThrow(StaleResourceError)
    expect(changes).toEqual([
      { reason: 'restore', incarnation: expect.any(Number) as number, generation: 2, discarded: 1 },
    ])
  })
})

describe('at every moment', () => {
  // A fork can come between any two microtasks.
  for (let rounds = 0; rounds <= 16; rounds++) {
    test(`a change ${rounds} microtasks after a create has settled leaves the resource discarded once, or borrowed and stale`, async () => {
      const driver = new FakeDriver()
      driver.plans.create = 'hang'
      const { pool } = openPool(driver)
      const waiter = follow(pool.acquire())
      driver.settle('create')
      await microtasks(rounds)

      afterFork()
      await settled()

      expectDiscardedOnce(driver.resource(1))
      const { outcome } = waiter
      if (outcome.state === 'fulfilled') {
        expect(() => outcome.value.resource).toThrow(StaleResourceError)
      } else expect(outcome).toHaveProperty('error', expect.any(StaleResourceError))
      expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, creating: 0 })
    })

    test(`a change ${rounds} microtasks after a validation leaves the counts right`, async () => {
      const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
      const { pool } = openPool(driver)
      const first = await pool.acquire()
      first.release()
      await pass(1_000)
      driver.plans.validate = 'hang'
      follow(pool.acquire())
      driver.settle('validate')
      await microtasks(rounds)

      afterFork()
      await settled()

      expectDiscardedOnce(driver.resource(1))
      expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, waiting: 0 })
      const fresh = await pool.acquire()
      expect(fresh.resource.id).toBe(2)
      expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 1 })
    })

    test(`a change ${rounds} microtasks after a reset leaves the counts right`, async () => {
      const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
      driver.plans.reset = 'hang'
      const { pool } = openPool(driver)
      const first = await pool.acquire()
      first.release()
      driver.settle('reset')
      await microtasks(rounds)

      afterFork()
      await settled()

      expectDiscardedOnce(driver.resource(1))
      expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, waiting: 0 })
    })

    test(`a change ${rounds} microtasks after a destroy ends the resource, politely or silently`, async () => {
      const driver = new FakeDriver()
      driver.plans.destroy = 'hang'
      const { pool } = openPool(driver)
      const first = await pool.acquire()
      first.destroy()
      driver.settle('destroy')
      await microtasks(rounds)

      afterFork()
      await settled()

      // The polite close happened before the change. An additional discard is harmless.
      expect(driver.resource(1).destroys).toBe(1)
      expect(driver.resource(1).discards).toBeLessThanOrEqual(1)
      expect(pool.stats).toMatchObject({ size: 0, destroying: 0 })
    })
  }

  const hooks = ['create', 'validate', 'reset', 'destroy', 'watch', 'ref', 'unref'] as const
  const plans = ['pass', 'reject', 'throw', 'hang'] as const
  test.each(hooks.flatMap((hook) => plans.map((plan) => ({ hook, plan }))))(
    'a change in the middle of $hook ($plan) leaves nothing open and nothing counted',
    async ({ hook, plan }) => {
      const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset', 'ref', 'unref'] })
      const { pool } = openPool(driver, { max: 2 })
      follow(pool.acquire().then((lease) => lease.release()))
      await settled()
      await pass(1_000)
      let changed = false
      driver.plans[hook] = plan
      driver.onCall = (called) => {
        if (called !== hook || changed) return
        changed = true
        afterFork()
      }
      follow(
        pool.acquire().then(async (lease) => {
          const other = await pool.acquire()
          lease.release()
          other.destroy()
        }),
      )
      await settled()
      expect(changed).toBe(true)
      driver.onCall = () => undefined
      driver.plans[hook] = 'pass'
      driver.settle(hook)
      await pass(120_000)

      expect(driver.open.map(({ id }) => id)).toEqual([])
      expect(driver.resources.filter(({ discards }) => discards > 1)).toEqual([])
      expect(pool.stats).toMatchObject({ size: 0, waiting: 0, creating: 0, borrowed: 0 })
    },
  )
})

describe('without a hook, detection at use', () => {
  test('happens at the next acquire', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    const lease = await pool.acquire()
    lease.release()

    process.fork()
    const own = await pool.acquire()

    expect(own.resource.id).toBe(2)
    expectDiscardedOnce(driver.resource(1))
  })

  test.each([
    [
      'lease.resource',
      async (lease: Lease<FakeResource>) =>
        expect(() => lease.resource).toThrow(StaleResourceError),
    ],
    ['lease.active', async (lease: Lease<FakeResource>) => expect(lease.active).toBe(false)],
    ['lease.destroy()', async (lease: Lease<FakeResource>) => lease.destroy()],
    ['pool.warmUp()', (_lease: Lease<FakeResource>, pool: Pool<FakeResource>) => pool.warmUp()],
    [
      'pool.trim()',
      async (_lease: Lease<FakeResource>, pool: Pool<FakeResource>) => expect(pool.trim()).toBe(0),
    ],
    [
      'pool.recycle()',
      async (_lease: Lease<FakeResource>, pool: Pool<FakeResource>) => pool.recycle(),
    ],
    ['pool.close()', (_lease: Lease<FakeResource>, pool: Pool<FakeResource>) => pool.close()],
    ['pool.use()', (_lease: Lease<FakeResource>, pool: Pool<FakeResource>) => pool.use(() => 1)],
  ])('finds out at %s', async (_name, use) => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    const lease = await pool.acquire()
    const changes: Change[] = []
    pool.on('processChange', (change) => changes.push(change))

    process.fork()
    await use(lease, pool)
    await settled()

    expect(changes).toEqual([
      { reason: 'fork', incarnation: expect.any(Number) as number, generation: 2, discarded: 1 },
    ])
    expectDiscardedOnce(driver.resource(1))
  })

  test('never writes to an inherited resource, whichever timer fires in the child', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
    const pool = process.pool(driver, { keepaliveMillis: 1_000, idleTimeoutMillis: 5_000, max: 4 })
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    leases[0].release()
    leases[1].release()
    await settled()
    const before = driver.calls.length

    process.fork()
    leases[2].release()
    await pass(60_000)

    const after = driver.calls.slice(before).filter(({ hook }) => hook !== 'discard')
    expect(after).toEqual([])
    for (const resource of driver.resources) expectDiscardedOnce(resource)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('happens at a release that would serve a waiting caller of the parent', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver, { max: 1 })
    const inherited = await pool.acquire()
    const waiter = errorOf(pool.acquire())

    process.fork()
    inherited.release()

    expect(await waiter).toBeInstanceOf(StaleResourceError)
    expectDiscardedOnce(driver.resource(1))
  })

  test('happens at the end of a destroy that the parent started', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    driver.plans.destroy = 'hang'
    const pool = process.pool(driver)
    const told: unknown[] = []
    pool.on('destroy', (details) => told.push(details))
    const inherited = await pool.acquire()
    inherited.destroy()

    process.fork()
    driver.settle('destroy')
    await settled()

    expect(told).toEqual([])
    expect(driver.resource(1).discards).toBe(1)
    expect(pool.stats).toMatchObject({ size: 0, destroying: 0 })
  })

  test('happens between the steps of a reset that calls checkProcess', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver({ hooks: ['reset'] })
    const steps: string[] = []
    let answered!: () => void
    const answer = new Promise<void>((resolve) => (answered = resolve))
    const pool = process.pool(
      Object.assign(driver, {
        async reset(_: FakeResource, context?: ResetContext) {
          steps.push('first')
          context?.checkProcess()
          await answer
          context?.checkProcess()
          steps.push('second')
        },
      }),
    )
    const errors: unknown[] = []
    pool.on('hookError', (details) => errors.push(details))
    const inherited = await pool.acquire()
    inherited.release()

    process.fork()
    answered()
    await settled()

    expect(steps).toEqual(['first'])
    expect(errors).toEqual([])
    expectDiscardedOnce(driver.resource(1))
  })

  test('keeps the numbers right when it happens at a keepalive', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = process.pool(driver, { keepaliveMillis: 1_000 })
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    for (const lease of leases) lease.release()

    process.fork()
    await pass(10_000)

    expect(driver.count('validate')).toBe(0)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
    const own = await pool.acquire()
    expect(own.resource.id).toBe(4)
    expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 1 })
  })

  test('happens at the deadline of a wait, which then does not count as a timeout', async () => {
    const process = new FakeProcess()
    const pool = process.pool(new FakeDriver(), { max: 1, acquireTimeoutMillis: 1_000 })
    // The timer of the queue was set for this wait, and is too early for the others.
    await pool.acquire()
    await pass(500)
    const waiting = [errorOf(pool.acquire()), errorOf(pool.acquire())]

    process.fork()
    await pass(500)

    for (const error of waiting) expect(await error).toBeInstanceOf(StaleResourceError)
    expect(pool.stats).toMatchObject({ generation: 2, size: 0, waiting: 0 })
  })

  test.each(['create', 'validate', 'reset', 'destroy'] as const)(
    'happens when an inherited %s takes too long, without reporting a failure',
    async (hook) => {
      const process = new FakeProcess()
      const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
      const pool = process.pool(driver, { max: 1 })
      const told: unknown[] = []
      pool.on('createError', (details) => told.push(details))
      pool.on('hookError', (details) => told.push(details))
      pool.on('destroy', (details) => told.push(details))
      driver.plans[hook] = 'hang'
      const acquired = pool.acquire()
      if (hook === 'create') follow(acquired)
      else {
        const lease = await acquired
        if (hook === 'destroy') lease.destroy()
        else lease.release()
      }
      if (hook === 'validate') {
        await pass(1_000)
        follow(pool.acquire())
      }
      await settled()
      expect(driver.pending).toHaveLength(1)

      process.fork()
      await pass(10_000)

      expect(pool.stats).toMatchObject({ generation: 2, size: 0, waiting: 0 })
      expect(told).toEqual([])
      expect(vi.getTimerCount()).toBe(0)
    },
  )

  test('opens nothing for callers that were rejected because it happened at a create', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver, { max: 3 })
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    const waiters = [pool.acquire(), pool.acquire(), pool.acquire()].map(follow)

    process.fork()
    pool.resize({ max: 6 })
    await pass(1_000)

    for (const { outcome } of waiters) {
      expect(outcome).toHaveProperty('error', expect.any(StaleResourceError))
    }
    expect(driver.count('create')).toBe(3)
    for (const lease of leases) expect(() => lease.resource).toThrow(StaleResourceError)
  })

  test.each(['validate', 'reset'] as const)(
    'never lends a resource that passes an inherited %s',
    async (hook) => {
      const process = new FakeProcess()
      const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
      const pool = process.pool(driver, { max: 1 })
      const first = await pool.acquire()
      driver.plans[hook] = 'hang'
      first.release()
      if (hook === 'validate') await pass(1_000)
      const work = vi.fn<() => void>()
      const used = errorOf(pool.use(work))
      expect(driver.pending).toHaveLength(1)

      process.fork()
      driver.settle(hook)
      await settled()

      expect(await used).toBeInstanceOf(StaleResourceError)
      expect(work).not.toHaveBeenCalled()
      expectDiscardedOnce(driver.resource(1))
      expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
    },
  )

  test.each(['validate', 'reset'] as const)(
    'never destroys a resource that fails an inherited %s',
    async (hook) => {
      const process = new FakeProcess()
      const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
      const pool = process.pool(driver, { max: 1 })
      const first = await pool.acquire()
      driver.plans[hook] = 'hang'
      first.release()
      if (hook === 'validate') await pass(1_000)
      follow(pool.acquire())

      process.fork()
      driver.settle(hook, 'reject')
      await settled()

      expect(driver.count('destroy')).toBe(0)
      expectDiscardedOnce(driver.resource(1))
    },
  )

  test('never lends an inherited resource to a caller in the child', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = process.pool(driver)
    const inChild: Promise<Lease<FakeResource>>[] = []
    pool.on('create', () => {
      if (inChild.length === 0) inChild.push(pool.acquire())
    })
    follow(pool.acquire())

    // The inherited create completes in the child, where its event is the first use of the pool.
    process.fork()
    driver.settle('create')
    await settled()
    driver.settle('create')
    await settled()

    expectDiscardedOnce(driver.resource(1))
    for (const acquired of inChild) expect((await acquired).resource.id).toBe(2)
  })

  test('reports a lease as stale, not as lost, if its inherited connection first dies in the child', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    const lease = await pool.acquire()

    process.fork()
    driver.resource(1).lose()
    await settled()

    expectDiscardedOnce(driver.resource(1))
    expect(() => lease.resource).toThrow(StaleResourceError)
    lease.release()
    lease.release()
  })

  test('does not pass an inherited resource from an inherited holder to an inherited caller', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver, { max: 1 })
    const lease = await pool.acquire()
    const work = vi.fn<() => number>(() => 1)
    const used = errorOf(pool.use(work))

    process.fork()
    lease.release()

    expect(await used).toBeInstanceOf(StaleResourceError)
    expect(work).not.toHaveBeenCalled()
    expectDiscardedOnce(driver.resource(1))
  })

  test('and a later hook count as one change, and resources opened in between are kept', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    const changed = vi.fn<() => void>()
    pool.on('processChange', changed)
    await pool.acquire()

    process.fork()
    const own = await pool.acquire()
    process.hook()

    expect(own.resource.id).toBe(2)
    expect(changed).toHaveBeenCalledOnce()

    process.hook()
    expect(() => own.resource).toThrow(StaleResourceError)
  })

  test('does not suppress the hook of the next fork', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    process.fork()
    const own = await pool.acquire()

    process.fork()
    process.hook()

    expect(() => own.resource).toThrow(StaleResourceError)
    expectDiscardedOnce(driver.resource(1))
  })

  test('does not suppress a later restore, which no source notices', async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver)
    process.fork()
    const own = await pool.acquire()

    process.identity.announce('restore')

    expect(() => own.resource).toThrow(StaleResourceError)
    expectDiscardedOnce(driver.resource(1))
  })

  test("'once' stops checking after the first change, but still reacts to the hook", async () => {
    const process = new FakeProcess()
    const driver = new FakeDriver()
    const pool = process.pool(driver, { forkDetection: 'once' })
    const first = await pool.acquire()
    process.fork()
    const second = await pool.acquire()
    expect(() => first.resource).toThrow(StaleResourceError)

    process.fork()
    expect(second.resource.id).toBe(2)

    process.hook()
    expect(() => second.resource).toThrow(StaleResourceError)
  })

  test("'hooks' never checks, but reacts to the hook", async () => {
    const changed = vi.fn<() => boolean>(() => true)
    const source: IdentitySource = { name: 'page', changed, settle: () => undefined }
    const identity = new ProcessIdentity(() => source)
    const driver = new FakeDriver()
    const pool = new Pool<FakeResource>(driver, { forkDetection: 'hooks' }, identity)
    const lease = await pool.acquire()
    expect(lease.resource.id).toBe(1)
    expect(changed).not.toHaveBeenCalled()

    identity.announce('fork')

    expect(() => lease.resource).toThrow(StaleResourceError)
  })

  test("'always' continues to check: a daemon that forks twice", async () => {
    const process = new FakeProcess()
    const pool = process.pool(new FakeDriver())
    for (let child = 1; child <= 4; child++) {
      const lease = await pool.acquire()
      expect(lease.generation).toBe(child)
      process.fork()
      expect(() => lease.resource).toThrow(StaleResourceError)
    }
  })

  test('at one pool notifies every pool of the process', async () => {
    const process = new FakeProcess()
    const first = process.pool(new FakeDriver())
    const second = process.pool(new FakeDriver(), { forkDetection: 'hooks' })
    const lease = await second.acquire()

    process.fork()
    await first.acquire()

    expect(() => lease.resource).toThrow(StaleResourceError)
  })
})

describe('a process identity', () => {
  test('is opened by the first pool, not at import', () => {
    const open = vi.fn<() => IdentitySource>(() => ({
      name: 'none',
      changed: () => false,
      settle: () => undefined,
    }))
    const identity = new ProcessIdentity(open)
    expect(open).not.toHaveBeenCalled()
    const pool = new Pool<FakeResource>(new FakeDriver(), {}, identity)
    expect(open).toHaveBeenCalledOnce()
    expect(pool.stats.identity).toBe('none')
  })

  test('does not notify a pool of an earlier change: one created by a listener starts clean', async () => {
    const process = new FakeProcess()
    const first = process.pool(new FakeDriver())
    const driver = new FakeDriver()
    const made: Pool<FakeResource>[] = []
    first.on('processChange', () => {
      if (made.length < 3) made.push(process.pool(driver, { min: 1 }))
    })

    process.hook()
    await settled()

    expect(made).toHaveLength(1)
    expect(made[0]?.stats).toMatchObject({ generation: 1, size: 1 })
  })

  test('reacts to a hook for a fork that its source misses, also after one that it noticed', async () => {
    let changed = true
    let another = true
    const source: IdentitySource = {
      name: 'ppid',
      changed: () => changed,
      confirm: () => another,
      settle: () => (changed = another = false),
    }
    const identity = new ProcessIdentity(() => source)
    const pool = new Pool<FakeResource>(new FakeDriver(), {}, identity)
    changed = another = true
    const first = await pool.acquire()
    identity.announce('fork')
    expect(first.resource.id).toBe(1)

    changed = another = true
    const second = await pool.acquire()
    // This process and its child are adopted by the same process.
    another = true
    identity.announce('fork')
    expect(() => second.resource).toThrow(StaleResourceError)
  })

  test('reaches every copy of core in the process', async () => {
    const path = '../src/identity/identity.ts?another-copy'
    const copy = (await import(path)) as typeof Identity
    expect(copy.processIdentity).not.toBe(processIdentity)
    const pools = [processIdentity, copy.processIdentity].map((identity) => {
      return new Pool<FakeResource>(new FakeDriver(), {}, identity)
    })
    for (const hook of [afterFork, copy.afterFork, afterRestore]) {
      const leases = await Promise.all(pools.map((pool) => pool.acquire()))
      hook()
      for (const lease of leases) expect(() => lease.resource).toThrow(StaleResourceError)
    }
  })

  test('notifies all copies of a change that one copy noticed', async () => {
    const copies = new Set<never>() as never
    let forked = false
    const open = (): IdentitySource => ({
      name: 'page',
      changed: () => forked,
      settle: () => {
        forked = false
      },
    })
    const first = new ProcessIdentity(open, copies)
    const second = new ProcessIdentity(open, copies)
    const inFirst = new Pool<FakeResource>(new FakeDriver(), {}, first)
    const inSecond = new Pool<FakeResource>(new FakeDriver(), { forkDetection: 'hooks' }, second)
    const lease = await inSecond.acquire()

    forked = true
    const own = await inFirst.acquire()
    expect(() => lease.resource).toThrow(StaleResourceError)

    const ownInSecond = await inSecond.acquire()
    second.announce('fork')
    expect(own.resource.id).toBe(1)
    expect(ownInSecond.resource.id).toBe(2)
  })

  test('does not keep an unreferenced pool alive', async () => {
    vi.useRealTimers()
    const process = new FakeProcess()
    const pool = (() => new WeakRef(process.pool(new FakeDriver())))()
    await expectCollected(pool)
    expect(() => process.hook()).not.toThrow()
  })
})

describe('the old generation', () => {
  test('can be collected: its resources, leases and waiting callers', async () => {
    vi.useRealTimers()
    const driver = new FakeDriver()
    const { pool } = openPool(driver, { max: 2 })
    const inherited = await (async () => {
      const idle = await pool.acquire()
      const lent = await pool.acquire()
      idle.release()
      const references = driver.resources.map((resource) => new WeakRef<object>(resource))
      driver.forget()
      return { references, lease: lent }
    })()

    afterFork()

    for (const reference of inherited.references) await expectCollected(reference)
    // An old lease that is kept does not keep anything alive.
    expect(() => inherited.lease.resource).toThrow(StaleResourceError)
    expect(inherited.lease.generation).toBe(1)
    await pool.close()
  })

  test('cannot be reached through a lease: a released one stays released', async () => {
    const { pool } = openPool(new FakeDriver())
    const lease = await pool.acquire()
    lease.release()

    afterFork()

    expect(() => lease.resource).toThrow(LeaseReleasedError)
    expect(() => lease.release()).toThrow(LeaseReleasedError)
  })
})

async function expectCollected(reference: WeakRef<object>): Promise<void> {
  for (let turn = 0; turn < 50 && reference.deref() !== undefined; turn++) {
    await settled()
    globalThis.gc?.()
  }
  expect(reference.deref()).toBeUndefined()
}
