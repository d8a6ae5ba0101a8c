import { describe, expect, test, vi } from 'vitest'
import { LeaseReleasedError } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, idOf, openIdle, openPool } from './support/pools.ts'
import { follow, microtasks, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

const LONG = { minMillis: 1e9, maxMillis: 1e9 }

describe('a resource that dies by itself', () => {
  test('soon after its create, unused, counts as a failed create; a later death does not', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 1, createTimeoutMillis: 1_000, backoff: LONG })
    await pool.warmUp()
    await pass(1_000)
    driver.resource(1).lose()
    await settled()
    expect(driver.open.map(({ id }) => id)).toEqual([2])
    await pass(900)
    driver.resource(2).lose()
    await settled()
    expect(driver.open).toEqual([])
  })

  test('is never lent again when it was idle', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const destroyed = vi.fn<(details: object) => void>()
    pool.on('destroy', destroyed)
    await openIdle(pool, 2)
    const error = new Error('ECONNRESET')

    driver.resource(2).lose(error)

    expect(pool.stats).toMatchObject({ idle: 1, destroying: 1, borrowed: 0 })
    expect(await idOf(pool.acquire())).toBe(1)
    expect(await idOf(pool.acquire())).toBe(3)
    expect(driver.resource(2)).toMatchObject({ destroys: 1, discards: 0 })
    expect(destroyed).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ reason: 'lost', error }),
    )
  })

  test('frees its slot even if its holder never releases it', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    await pool.acquire()
    const waiter = pool.acquire()

    driver.resource(1).lose()

    expect(await idOf(waiter)).toBe(2)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, waiting: 0 })
    expect(driver.resource(1).destroys).toBe(1)
  })

  test('makes the next use of the lease throw, with the error as the cause', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const lease = await pool.acquire()
    const error = new Error('terminating connection')
    driver.resource(1).lose(error)

    const use = (): unknown => lease.resource
    expect(use).toThrow(LeaseReleasedError)
    expect(use).toThrow('lost')
    expect(use).toThrow(expect.objectContaining({ cause: error }))
  })

  test.each(['release', 'destroy'] as const)(
    'makes the first %s of its holder a no-op',
    async (end) => {
      const driver = new FakeDriver()
      const pool = openPool(driver, { max: 1 })
      const lease = await pool.acquire()
      driver.resource(1).lose()
      const next = await pool.acquire()

      lease[end]()
      expect(() => lease.release()).toThrow(LeaseReleasedError)
      await settled()

      expect(next.resource.id).toBe(2)
      expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
      expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
    },
  )

  test('does not change the outcome of use()', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const result = await pool.use(async (resource) => {
      resource.lose()
      await settled()
      return 'done'
    })
    expect(result).toBe('done')
    expect(pool.stats).toMatchObject({ size: 0, borrowed: 0 })
  })

  test('can report its loss repeatedly, also after it has ended', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    const ends = endsOf(pool)
    await openIdle(pool, 1)
    driver.resource(1).lose()
    driver.resource(1).lose()
    await settled()
    driver.resource(1).lose()
    const lease = await pool.acquire()
    lease.destroy()
    driver.resource(2).lose()
    await settled()
    driver.resource(2).lose()
    await settled()
    expect(ends).toEqual(['lost', 'broken'])
    expect(driver.count('destroy')).toBe(2)
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, destroying: 0 })
  })

  test('while it is validated gives the waiting caller another', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    await openIdle(pool, 1)
    await pass(1_000)
    driver.plans.validate = 'hang'
    const waiter = pool.acquire()
    driver.resource(1).lose()
    expect(await idOf(waiter)).toBe(2)
    driver.settle('validate')
    await settled()
    expect(ends).toEqual(['lost'])
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
  })

  test('while it is reset gives the waiting caller another', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    driver.plans.reset = 'hang'
    const lease = await pool.acquire()
    lease.release()
    const waiter = pool.acquire()
    driver.resource(1).lose()
    expect(await idOf(waiter)).toBe(2)
    driver.settle('reset')
    await settled()
    expect(ends).toEqual(['lost'])
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, idle: 0 })
  })

  test.each(['validate', 'reset'] as const)(
    'on its way to a waiting caller does not make it wait for the slow destroy: %s',
    async (hook) => {
      const driver = new FakeDriver({ hooks: ['watch', hook] })
      const pool = openPool(driver, { max: 10 })
      const lease = await pool.acquire()
      driver.plans[hook] = 'hang'
      driver.plans.destroy = 'hang'
      lease.release()
      await pass(1_000)
      const waiter = pool.acquire()
      driver.resource(1).lose()
      expect(await idOf(waiter)).toBe(2)
      expect(pool.stats).toMatchObject({ destroying: 1, borrowed: 1 })
    },
  )

  test('in the middle of a reset, before it has returned, is counted once', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    const lease = await pool.acquire()
    driver.plans.reset = 'reject'
    driver.onCall = (hook, resource) => hook === 'reset' && resource?.lose()
    lease.release()
    const waiter = pool.acquire()
    driver.plans.reset = 'pass'
    driver.onCall = () => undefined
    expect(await idOf(waiter)).toBe(2)
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1, waiting: 0 })
    expect(ends).toEqual(['lost'])
  })

  test.each(['is recycled', 'has idled for too long'])(
    'while it is destroyed because it %s does not count as a server failure: the next one is opened without a pause',
    async (why) => {
      const driver = new FakeDriver()
      const pool = openPool(driver, { min: 1, max: 1, idleTimeoutMillis: 1_000 })
      await pool.warmUp()
      driver.onCall = (hook, resource) => hook === 'destroy' && resource?.lose()
      if (why === 'is recycled') pool.recycle()
      else pool.resize({ min: 0 })
      await pass(1_001)
      expect(await idOf(pool.acquire())).toBe(2)
    },
  )

  test('after a recycle does not count as a failure of the next server', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { min: 1, max: 2, keepaliveMillis: 1_000 })
    await pool.warmUp()
    driver.plans.validate = 'hang'
    await pass(1_001)
    driver.plans.create = 'hang'
    pool.recycle()
    driver.resource(1).lose()
    driver.settle('create')
    await settled()
    expect(await idOf(pool.acquire())).toBe(2)
  })

  test('while it is closed takes others with it, and each ends once', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 4 })
    await openIdle(pool, 4)
    // Like the streams of one connection.
    driver.onCall = (hook) => {
      if (hook === 'destroy') for (const each of driver.resources) if (!each.closing) each.lose()
    }
    const ends = endsOf(pool)
    pool.recycle()
    await settled()
    expect(ends.sort()).toEqual(['lost', 'lost', 'lost', 'recycle'])
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, destroying: 0 })
    expect(driver.count('destroy')).toBe(4)
  })

  test('while it is closed after its idle timeout takes others with it, and each ends once', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3, idleTimeoutMillis: 1_000 })
    await openIdle(pool, 3)
    driver.onCall = (hook) => hook === 'destroy' && driver.resource(2).lose()
    const ends = endsOf(pool)
    await pass(1_001)
    expect(ends.sort()).toEqual(['idle', 'idle', 'lost'])
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, destroying: 0 })
  })

  test('while another is validated by keepalive is not validated', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 3, keepaliveMillis: 1_000 })
    await openIdle(pool, 3)
    driver.onCall = (hook, resource) => {
      if (hook === 'validate' && resource?.id === 1) driver.resource(2).lose()
    }
    await pass(1_001)
    expect(driver.calls.filter(({ hook }) => hook === 'validate').map(({ id }) => id)).toEqual([
      1, 3,
    ])
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
  })

  test('while another fails its validation is not validated', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const pool = openPool(driver, { max: 3 })
    await openIdle(pool, 3)
    await pass(1_000)
    driver.valid = false
    driver.onCall = (hook, resource) => {
      if (hook === 'validate' && resource?.id === 1) driver.resource(2).lose()
    }
    const lease = await pool.acquire()
    expect(lease.resource.id).toBe(4)
    expect(driver.calls.filter(({ hook }) => hook === 'validate').map(({ id }) => id)).toEqual([
      3, 1,
    ])
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })

  test('is replaced if min requires it', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { min: 2 })
    await pool.warmUp()
    driver.resource(1).lose()
    await pass(5_000)
    expect(pool.stats).toMatchObject({ size: 2, idle: 2 })
  })

  test('while the pool closes does not prevent it from closing', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver)
    await pool.acquire()
    const closed = follow(pool.close())
    driver.resource(1).lose()
    await settled()
    expect(closed.outcome.state).toBe('fulfilled')
  })

  test('before it is ever lent is not lent, and the next ones are opened with pauses', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 3 })
    driver.onCall = (hook, resource) => {
      if (hook === 'watch') resource?.lose(new Error('closed by the server'))
      // Without this, a pool that does not pause would block the event loop.
      if (driver.count('create') > 500) driver.plans.create = 'hang'
    }
    const waiter = follow(pool.acquire({ timeoutMillis: 2_000 }))
    await pass(2_001)
    expect(waiter.outcome).toMatchObject({
      state: 'rejected',
      error: { code: 'FORKSAFE_ACQUIRE_TIMEOUT' },
    })
    expect(driver.count('create')).toBeLessThan(50)
    expect(pool.stats.waiting).toBe(0)
  })

  test('right after it was opened is replaced for min only after pauses', async () => {
    const driver = new FakeDriver()
    openPool(driver, { min: 1 })
    driver.onCall = (hook, resource) => {
      if (hook === 'watch') setTimeout(() => resource?.lose(), 1)
    }
    await pass(2_000)
    expect(driver.count('create')).toBeLessThan(100)
  })
})

describe('a loss close to another end', () => {
  for (let rounds = 0; rounds <= 12; rounds++) {
    for (const hook of ['create', 'validate', 'reset', 'destroy'] as const) {
      test(`${rounds} microtasks after a ${hook}, every count is right afterwards`, async () => {
        const driver = new FakeDriver({ hooks: ['watch', 'validate', 'reset'] })
        const pool = openPool(driver, { max: 2 })
        if (hook === 'create') {
          driver.plans.create = 'hang'
          follow(pool.acquire().then((lease) => lease.release()))
        } else {
          const lease = await pool.acquire()
          driver.plans[hook] = 'hang'
          if (hook === 'destroy') lease.destroy()
          else lease.release()
          if (hook === 'validate') {
            await pass(1_000)
            follow(pool.acquire().then((lease) => lease.release()))
          }
        }
        driver.settle(hook)
        driver.plans[hook] = 'pass'
        await microtasks(rounds)

        const [resource] = driver.resources
        try {
          resource?.lose()
        } catch {
          return expect(hook).toBe('create') // It is not watched yet.
        }
        await settled()

        expect(resource?.destroys).toBe(1)
        const { size, idle, borrowed, waiting, creating, destroying } = pool.stats
        expect({ borrowed, waiting, creating, destroying }).toEqual({
          borrowed: 0,
          waiting: 0,
          creating: 0,
          destroying: 0,
        })
        expect(size).toBe(idle)
        // No surplus resource is opened later.
        const before = driver.count('create') - idle
        const leases = await acquireMany(pool, 2)
        expect(pool.stats).toMatchObject({ size: 2, borrowed: 2 })
        expect(driver.count('create')).toBe(before + 2)
        for (const lease of leases) expect(lease.resource.open).toBe(true)
        return undefined
      })
    }
  }
})
