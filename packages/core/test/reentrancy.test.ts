import { describe, expect, test, vi } from 'vitest'
import {
  createForkSafePool,
  defineDriver,
  type Lease,
  LeaseReleasedError,
  StaleResourceError,
} from '../src/index.ts'
import { FakeDriver, type FakeResource, type HookName } from './support/fake-driver.ts'
import { acquireMany, type FakePool, openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

const everyHook = ['watch', 'validate', 'reset', 'ref', 'unref', 'classify'] as const

/** Calls `run` in each call of a hook. */
function within(driver: FakeDriver, hook: HookName, run: () => unknown): void {
  driver.onCall = (called) => {
    if (called === hook) run()
  }
}

describe('close() called from', () => {
  test.each(['validate', 'reset', 'destroy', 'ref', 'unref', 'watch', 'create'] as const)(
    'the hook %s settles, and so does every later call',
    async (hook) => {
      const driver = new FakeDriver({ hooks: everyHook })
      const pool = openPool(driver, { max: 2 })
      await openIdle(pool, 2)
      await pass(501)
      let inner: Promise<void> | undefined
      within(driver, hook, () => (inner ??= pool.close()))
      const use = follow(pool.use(() => pool.recycle()))
      await settled()
      const outer = follow(pool.close())
      await pass(1_000)
      expect(outer.outcome.state).toBe('fulfilled')
      await inner
      await pool.close()
      expect(use.outcome.state).not.toBe('pending')
      expect(pool.stats).toMatchObject({ size: 0, waiting: 0 })
      expect(driver.open).toEqual([])
    },
  )

  test('a destroy that close() itself started settles', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await openIdle(pool, 3)
    let again: Promise<void> | undefined
    within(driver, 'destroy', () => (again ??= pool.close()))
    await pool.close()
    await again
    await pool.close()
    expect(driver.open).toEqual([])
  })

  test('a discard that follows a failed destroy settles', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = 'reject'
    const pool = openPool(driver)
    await openIdle(pool, 2)
    let again: Promise<void> | undefined
    within(driver, 'discard', () => (again ??= pool.close()))
    await pool.close()
    await again
    expect(driver.open).toEqual([])
  })

  test.each(['create', 'createError', 'destroy', 'hookError', 'leak', 'close'] as const)(
    'a listener of %s settles',
    async (event) => {
      const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
      const pool = openPool(driver, { leakDetectionMillis: 10 })
      const closes: Promise<void>[] = []
      pool.on(event, () => void closes.push(pool.close({ deadlineMillis: 50 })))
      if (event === 'createError') driver.plans.create = 'reject'
      if (event === 'hookError') driver.plans.reset = 'reject'
      const use = follow(pool.use(() => pass(20)))
      await settled()
      await pass(100)
      const last = follow(pool.close({ deadlineMillis: 50 }))
      await pass(100)
      expect(last.outcome.state).toBe('fulfilled')
      await Promise.all(closes)
      expect(closes.length).toBeGreaterThan(0)
      expect(use.outcome.state).not.toBe('pending')
    },
  )

  test('an abort listener settles', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const lease = await pool.acquire()
    const controller = new AbortController()
    let closing: Promise<void> | undefined
    controller.signal.addEventListener('abort', () => {
      closing = pool.close()
    })
    const wait = errorOf(pool.acquire({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await wait).toMatchObject({ message: 'enough' })
    lease.release()
    await closing
    expect(pool.stats.size).toBe(0)
  })

  test("the abort listener of a create's signal settles", async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver)
    const wait = follow(pool.acquire())
    await settled()
    let closing: Promise<void> | undefined
    driver.signals[0]?.addEventListener('abort', () => {
      closing = pool.close()
    })
    driver.plans.create = 'pass'
    pool.recycle()
    await settled()
    expect(wait.outcome.state).not.toBe('pending')
    if (wait.outcome.state === 'fulfilled') wait.outcome.value.release()
    await pass(31_000)
    await closing
    expect(pool.stats).toMatchObject({ size: 0, waiting: 0 })
  })
})

describe('a discard that uses leases and pools', () => {
  test.each(['release', 'destroy'] as const)(
    'and calls %s on every other lease causes no negative number and lends nothing inherited',
    async (how) => {
      const driver = new FakeDriver({ hooks: everyHook })
      const process = new FakeProcess()
      const pool = process.pool(driver, { max: 4 })
      const leases = await acquireMany(pool, 3)
      const seen: (number | undefined)[] = []
      within(driver, 'discard', () => {
        for (const lease of leases) lease[how]()
        const { borrowed, idle, size } = pool.stats
        seen.push(borrowed, idle, size)
      })
      process.fork()
      process.hook()
      expect(driver.count('discard')).toBe(3)
      expect(new Set(seen)).toEqual(new Set([0]))
      for (const lease of leases) expect(() => lease.resource).toThrow(StaleResourceError)
      const { resource } = await pool.acquire()
      expect(resource.id).toBe(4)
      expect(pool.stats).toMatchObject({ borrowed: 1, idle: 0, size: 1 })
      expect(driver.count('reset') + driver.count('destroy')).toBe(0)
    },
  )

  test('and calls acquire gets a resource of the child', async () => {
    const driver = new FakeDriver({ hooks: everyHook })
    const process = new FakeProcess()
    const pool = process.pool(driver, { max: 4 })
    await openIdle(pool, 3)
    const acquired: Promise<Lease<FakeResource>>[] = []
    within(driver, 'discard', () => void acquired.push(pool.acquire()))
    process.fork()
    process.hook()
    const ids = (await Promise.all(acquired)).map(({ resource }) => resource.id)
    expect(ids).toEqual([4, 5, 6])
  })

  test('and uses another pool of the process finds its resources already disowned', async () => {
    const drivers = [new FakeDriver(), new FakeDriver()] as const
    const process = new FakeProcess()
    const pools = [process.pool(drivers[0]), process.pool(drivers[1])] as const
    for (const pool of pools) await openIdle(pool, 1)
    const acquired: Promise<Lease<FakeResource>>[] = []
    within(drivers[0], 'discard', () => void acquired.push(pools[1].acquire()))
    within(drivers[1], 'discard', () => void acquired.push(pools[0].acquire()))
    process.fork()
    process.hook()
    const leases = await Promise.all(acquired)
    expect(leases.map(({ resource }) => resource.id)).toEqual([2, 2])
  })

  test('and the abort listener of an abandoned create release nothing of the parent', async () => {
    const driver = new FakeDriver()
    const process = new FakeProcess()
    const pool = process.pool(driver, { max: 3 })
    const [first] = await acquireMany(pool, 2)
    driver.plans.create = 'hang'
    follow(pool.acquire())
    await settled()
    driver.signals[2]?.addEventListener('abort', () => first?.release())
    process.fork()
    process.hook()
    expect(pool.stats).toMatchObject({ size: 0, borrowed: 0, idle: 0, waiting: 0, creating: 0 })
  })
})

describe('a lease that is ended by a hook of its own release', () => {
  test.each(['reset', 'unref'] as const)('in %s is ended once', async (hook) => {
    const driver = new FakeDriver({ hooks: everyHook })
    const pool = openPool(driver, { max: 1 })
    const lease = await pool.acquire()
    let error: unknown
    within(driver, hook, () => {
      try {
        lease.release()
      } catch (thrown) {
        error = thrown
      }
    })
    lease.release()
    await settled()
    expect(error).toBeInstanceOf(LeaseReleasedError)
    expect(pool.stats).toMatchObject({ size: 1, idle: 1, borrowed: 0 })
  })
})

describe('a constructor that throws', () => {
  const failing = (driver: FakeDriver, methods: (pool: FakePool) => object) =>
    defineDriver({
      name: 'failing',
      create: (connection: string, context) => driver.create(connection, context),
      destroy: (resource: FakeResource) => driver.destroy(resource),
      discard: (resource: FakeResource) => driver.discard(resource),
      methods,
    })

  test.each([
    ['methods that throw', () => expect.unreachable('no methods'), 'no methods'],
    ['a method whose name is taken', () => ({ use: () => undefined }), 'that name is taken'],
    ['no plain object', () => new Map(), 'to return a plain object'],
  ])('after a method has acquired leaves nothing open: %s', async (_, methods, message) => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const waits: { readonly outcome: { readonly state: string } }[] = []
    const broken = failing(driver, (pool) => {
      waits.push(follow(pool.acquire()), follow(pool.warmUp()))
      return methods()
    })
    const open = (): unknown => createForkSafePool(broken, { connection: 'db', min: 3 })
    expect(open).toThrow(message)
    await pass(60_000)
    expect(waits.map(({ outcome }) => outcome.state)).toEqual(['rejected', 'rejected'])
    expect(driver.open).toEqual([])
    expect(driver.creating).toBe(0)
    expect(driver.resources.length).toBeLessThanOrEqual(3)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('an isUsable that uses the pool', () => {
  /** A pool with one idle resource, whose `isUsable` calls `use` once. */
  async function openUsing(
    use: (pool: FakePool) => unknown,
  ): Promise<{ driver: FakeDriver; pool: FakePool }> {
    let isArmed = false
    const isUsable = (): boolean => {
      if (isArmed) {
        isArmed = false
        use(pool)
      }
      return true
    }
    const driver = Object.assign(new FakeDriver({ hooks: ['watch', 'validate'] }), { isUsable })
    const pool = openPool(driver, { max: 2 })
    await openIdle(pool, 1)
    isArmed = true
    return { driver, pool }
  }

  test.each(['trim', 'recycle', 'close'] as const)(
    'and calls %s never has the ended resource lent',
    async (method) => {
      const { driver, pool } = await openUsing((pool) => void pool[method]())
      const wait = follow(pool.acquire())
      await settled()
      await settled()
      if (method === 'close') {
        expect(wait.outcome).toMatchObject({ error: { code: 'FORKSAFE_POOL_CLOSED' } })
        expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
      } else {
        expect(wait.outcome).toMatchObject({ value: { resource: { id: 2 } } })
        expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 1 })
      }
      expect(driver.resource(1).destroys).toBe(1)
    },
  )

  test('and ends the resource does not have it tested', async () => {
    const { driver, pool } = await openUsing((pool) => pool.trim())
    await pass(501)
    const { resource } = await pool.acquire()
    expect(resource.id).toBe(2)
    expect(driver.count('validate')).toBe(0)
    expect(driver.resource(1).destroys).toBe(1)
  })

  test.each([0, 501])('and acquires shares no resource, after %i ms', async (idleMillis) => {
    let inner: Promise<Lease<FakeResource>> | undefined
    const { pool } = await openUsing((pool) => (inner = pool.acquire()))
    await pass(idleMillis)
    const outer = await pool.acquire()
    expect(outer.resource.id).not.toBe((await inner)?.resource.id)
    expect(pool.stats).toMatchObject({ size: 2, idle: 0, borrowed: 2 })
  })
})
