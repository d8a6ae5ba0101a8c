import { describe, expect, test } from 'vitest'
import {
  AcquireTimeoutError,
  CreateError,
  PoolClosedError,
  QueueFullError,
  StaleResourceError,
} from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, type FakePool, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

describe('10,000 callers that are rejected together', () => {
  /** Counts the turns of the event loop until every caller has been rejected. */
  async function reject(
    pool: FakePool,
    begin: (errors: readonly unknown[]) => void | Promise<void>,
    signal?: AbortSignal,
  ): Promise<{ errors: unknown[]; turns: number; most: number }> {
    const errors: unknown[] = []
    for (let caller = 0; caller < 10_000; caller++) {
      pool.acquire({ timeoutMillis: 1_000, signal }).catch((error: unknown) => errors.push(error))
    }
    await begin(errors)
    let turns = 0
    let most = errors.length
    for (; errors.length < 10_000 && turns < 1_000; turns++) {
      const before = errors.length
      await settled()
      most = Math.max(most, errors.length - before)
    }
    return { errors, turns, most }
  }

  async function fullPool(driver = new FakeDriver()) {
    const pool = openPool(driver, { max: 1 })
    const lease = await pool.acquire()
    return { pool, lease }
  }

  test('by a timeout are rejected over many turns of the event loop', async () => {
    const { pool, lease } = await fullPool()
    const { errors, turns, most } = await reject(pool, () => void pass(1_000))
    expect(errors.length).toBe(10_000)
    expect(errors.every((error) => error instanceof AcquireTimeoutError)).toBe(true)
    expect(turns).toBeGreaterThan(10)
    expect(most).toBeLessThan(1_000)
    expect(pool.stats.waiting).toBe(0)
    lease.release()
    await pool.close()
  })

  test('by close() are all rejected before it settles', async () => {
    const { pool, lease } = await fullPool()
    let closing: Promise<number> | undefined
    const { errors, turns, most } = await reject(pool, (errors) => {
      closing = pool.close({ deadlineMillis: 0 }).then(() => errors.length)
      void pass(0)
    })
    expect(errors.every((error) => error instanceof PoolClosedError)).toBe(true)
    expect(turns).toBeGreaterThan(10)
    expect(most).toBeLessThan(1_000)
    expect(await closing).toBe(10_000)
    lease.release()
  })

  test('by a close leave nothing that is being opened', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 3 })
    let closing: { readonly outcome: { readonly state: string } } | undefined
    const { errors } = await reject(pool, () => {
      closing = follow(pool.close({ deadlineMillis: 0 }))
      void pass(0)
    })
    expect(errors.every((error) => error instanceof PoolClosedError)).toBe(true)
    await settled()
    expect(closing?.outcome.state).toBe('fulfilled')
    expect(pool.stats).toMatchObject({ size: 0, creating: 0, destroying: 0, waiting: 0 })
    expect(driver.creating).toBe(0)
  })

  test('by a fatal create failure do not affect a caller that arrives after it', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'classify'] })
    driver.plans.create = { afterMillis: 10, outcome: 'reject' }
    driver.failureKind = 'fatal'
    const pool = openPool(driver, { max: 1, backoff: { minMillis: 1, maxMillis: 1 } })
    let late: ReturnType<typeof follow> | undefined
    const { errors, turns } = await reject(pool, async () => {
      await pass(10)
      driver.plans.create = 'pass'
      await pass(1)
      late = follow(pool.acquire())
    })
    expect(errors.every((error) => error instanceof CreateError)).toBe(true)
    expect(turns).toBeGreaterThan(10)
    await settled()
    expect(late?.outcome.state).toBe('fulfilled')
  })

  test('by a fork are rejected as stale, and the child can use the pool meanwhile', async () => {
    const driver = new FakeDriver()
    const process = new FakeProcess()
    const pool = process.pool(driver, { max: 1 })
    await pool.acquire()
    const { errors, turns } = await reject(pool, async () => {
      process.fork()
      const lease = await pool.acquire()
      expect(lease.resource.id).toBe(2)
      lease.release()
    })
    expect(errors.every((error) => error instanceof StaleResourceError)).toBe(true)
    expect(turns).toBeGreaterThan(10)
  })

  test('leave the remaining callers to be served once a resource is free', async () => {
    const { pool, lease } = await fullPool()
    const served: number[] = []
    for (let caller = 0; caller < 1_000; caller++) {
      pool.acquire({ timeoutMillis: 1_000 }).then(
        (late) => {
          served.push(caller)
          late.release()
        },
        () => undefined,
      )
    }
    void pass(1_000)
    while (pool.stats.waiting === 1_000) await settled()
    lease.release()
    await settled()
    expect(served.length).toBeGreaterThan(0)
    expect(pool.stats).toMatchObject({ waiting: 0, idle: 1 })
  })
})

describe('40,000 priorities', () => {
  test('are served in order, whatever the order of the calls and of the timeouts', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const served: number[] = []
    const callers: Promise<unknown>[] = []
    for (let caller = 0; caller < 40_000; caller++) {
      const priority = (caller * 7_919) % 40_000
      const acquire = pool.acquire({ priority, timeoutMillis: 60_000 + (caller % 7) })
      callers.push(acquire.then((lease) => (served.push(priority), lease.release())))
    }
    first.release()
    await Promise.all(callers)
    expect(served).toEqual(Array.from({ length: 40_000 }, (_, priority) => priority))
  })

  test('keep their order when callers leave from the middle', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const first = await pool.acquire()
    const controllers = Array.from({ length: 999 }, () => new AbortController())
    const served: number[] = []
    const callers = controllers.map(async ({ signal }, caller) => {
      const priority = (caller * 101) % 333
      const lease = await pool.acquire({ priority, signal, timeoutMillis: 60_000 + (caller % 3) })
      served.push(priority)
      lease.release()
    })
    const settledCallers = Promise.allSettled(callers)
    for (let caller = 0; caller < 999; caller += 2) controllers[caller]?.abort()
    first.release()
    await settledCallers
    expect(served.length).toBe(499)
    expect(served).toEqual([...served].sort((a, b) => a - b))
  })
})

describe('callers with one priority and different timeouts', () => {
  test('are served in the order of their calls, and rejected in the order of their deadlines', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const lease = await pool.acquire()
    const timeouts = [500, 100, 400, 100, 300, 500, 200]
    const order: string[] = []
    for (const [caller, timeoutMillis] of timeouts.entries()) {
      pool.acquire({ timeoutMillis }).then(
        (served) => {
          order.push(`served ${caller}`)
          served.release()
        },
        () => order.push(`rejected ${caller}`),
      )
    }
    await pass(250)
    expect(order).toEqual(['rejected 1', 'rejected 3', 'rejected 6'])
    lease.release()
    await settled()
    expect(order.slice(3)).toEqual(['served 0', 'served 2', 'served 4', 'served 5'])
  })
})

describe('maxConnecting', () => {
  test.each([
    [undefined, 8],
    [1, 1],
    [3, 3],
    [Infinity, 50],
  ])('%s lets that many creates begin at once: %i', async (maxConnecting, most) => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const pool = openPool(driver, { max: 50, maxConnecting })
    let creating = 0
    driver.onCall = () => (creating = Math.max(creating, driver.creating))
    const leases = acquireMany(pool, 200)
    void leases
    await pass(1_000)
    expect(creating).toBe(most)
    expect(pool.stats).toMatchObject({ size: 50, borrowed: 50, waiting: 150 })
  })

  test('holds for warmUp, for recycle under load, and after resize', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const pool = openPool(driver, { min: 20, max: 20, maxConnecting: 4 })
    let creating = 0
    driver.onCall = () => (creating = Math.max(creating, driver.creating))
    const warm = follow(pool.warmUp())
    await pass(100)
    expect(warm.outcome.state).toBe('fulfilled')
    const leases = await acquireMany(pool, 20)
    const waits = Array.from({ length: 20 }, () => follow(pool.acquire()))
    pool.recycle()
    pool.resize({ min: 20, max: 60 })
    await pass(200)
    expect(waits.filter(({ outcome }) => outcome.state !== 'fulfilled')).toEqual([])
    for (const lease of leases) lease.release()
    await settled()
    expect(creating).toBe(4)
  })

  test('does not reject callers for whom there is still room', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const pool = openPool(driver, { max: 20, maxConnecting: 2, maxWaitingClients: 0 })
    const callers = Array.from({ length: 20 }, () => follow(pool.acquire()))
    expect(await errorOf(pool.acquire())).toBeInstanceOf(QueueFullError)
    await pass(200)
    expect(callers.filter(({ outcome }) => outcome.state !== 'fulfilled')).toEqual([])
  })

  test('does not count creates that have failed', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'classify'] })
    driver.failureKind = 'single'
    driver.plans.create = { afterMillis: 10, outcome: 'reject' }
    const pool = openPool(driver, { max: 5, maxConnecting: 2 })
    const callers = Array.from({ length: 7 }, () => follow(pool.acquire()))
    await pass(100)
    expect(callers.every(({ outcome }) => outcome.state === 'rejected')).toBe(true)
    expect(pool.stats.creating).toBe(0)
  })
})
