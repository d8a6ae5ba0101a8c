import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { AcquireTimeoutError } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openIdle, openPool } from './support/pools.ts'
import { settled } from './support/time.ts'

// These tests use real time, because they block the event loop.

function block(millis: number): void {
  const until = performance.now() + millis
  while (performance.now() < until);
}

/** Returns the time until a wait times out, in milliseconds. */
async function wait(pool: ReturnType<typeof openPool>, timeoutMillis: number): Promise<number> {
  const began = performance.now()
  const error: unknown = await pool.acquire({ timeoutMillis }).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(AcquireTimeoutError)
  return performance.now() - began
}

async function fullPool(driver = new FakeDriver()) {
  const pool = openPool(driver, { max: 1, acquireTimeoutMillis: Infinity })
  const lease = await pool.acquire()
  return { driver, pool, lease }
}

describe('a deadline', () => {
  test.each([1, 30, 31, 32, 33, 40, 100])(
    'does not expire early after %i waits in one turn and a blocked event loop',
    async (waits) => {
      const { pool } = await fullPool()
      const others = Array.from({ length: waits }, () => wait(pool, 60))
      block(100)
      const last = wait(pool, 80)
      for (const took of await Promise.all(others)) expect(took).toBeGreaterThanOrEqual(58)
      expect(await last).toBeGreaterThanOrEqual(78)
      await pool.close({ deadlineMillis: 0 })
    },
  )

  test('does not expire early after a burst of uses in microtasks', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    await openIdle(pool, 2)
    const lease = await pool.acquire()
    for (let use = 0; use < 50; use++) await pool.use(() => undefined)
    const other = await pool.acquire()
    const first = wait(pool, 60)
    block(150)
    expect(await wait(pool, 100)).toBeGreaterThanOrEqual(98)
    await first
    lease.release()
    other.release()
    await pool.close()
  })

  // A release and a settled hook happen like a server's answer does: when the event loop polls.
  test('is met by a resource that became ready while the event loop was blocked', async () => {
    const { pool, lease } = await fullPool()
    const waiting = pool.acquire({ timeoutMillis: 300 })
    setTimeout(() => setImmediate(() => lease.release()), 200)
    block(600)
    const served = await waiting
    expect(served.resource.id).toBe(1)
    served.release()
    await pool.close()
  })

  test.each(['create', 'validate', 'reset'] as const)(
    'of a %s is met by a result that became ready while the event loop was blocked',
    async (hook) => {
      const driver = new FakeDriver({ hooks: hook === 'create' ? ['watch'] : ['watch', hook] })
      const pool = openPool(driver, {
        createTimeoutMillis: 300,
        validateTimeoutMillis: 300,
        validateAfterIdleMillis: 0,
      })
      if (hook === 'validate') await openIdle(pool, 1)
      driver.plans[hook] = 'hang'
      if (hook === 'reset') await openIdle(pool, 1)
      const waiting = pool.acquire()
      await expect.poll(() => driver.pending.length, { interval: 1 }).toBe(1)
      driver.plans[hook] = 'pass'
      setTimeout(() => setImmediate(() => driver.settle(hook)), 200)
      block(600)
      const served = await waiting
      expect(served.resource.id).toBe(1)
      await settled()
      served.release()
      await pool.close()
      // The hook was in time, so the resource is closed politely.
      expect(driver.resource(1)).toMatchObject({ destroys: 1, discards: 0 })
    },
  )
})

describe('an idle resource', () => {
  const open = (validateAfterIdleMillis?: number) => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    return { driver, pool: openPool(driver, { max: 1, validateAfterIdleMillis }) }
  }

  test('is not validated after an idle second', async () => {
    const { driver, pool } = open()
    await openIdle(pool, 1)
    await sleep(600)
    expect(await pool.use(({ id }) => id)).toBe(1)
    expect(driver.count('validate')).toBe(0)
    await pool.close()
  })

  test('is validated if the event loop was blocked ever since it became idle', async () => {
    const { driver, pool } = open()
    await openIdle(pool, 1)
    const lease = await pool.acquire()
    await sleep(1)
    lease.release()
    block(520)
    expect(await pool.use(({ id }) => id)).toBe(1)
    expect(driver.count('validate')).toBe(1)
    await pool.close()
  })

  test('is not lent if it was closed while the event loop was blocked', async () => {
    const { driver, pool } = open()
    await openIdle(pool, 1)
    await sleep(1)
    // A FIN is read when the event loop polls. A late timer runs before that.
    const use = new Promise<number>((resolve, reject) => {
      setTimeout(() => {
        setImmediate(() => driver.resource(1).lose())
        pool.use(({ id }) => id).then(resolve, reject)
      }, 10)
    })
    block(600)
    expect(await use).toBe(2)
    expect(driver.count('validate')).toBe(0)
    await pool.close()
  })

  test('keeps its idle time if the caller that made the event loop poll has given up', async () => {
    const { driver, pool } = open(700)
    await openIdle(pool, 1)
    await sleep(520)
    const controller = new AbortController()
    const given = pool.acquire({ signal: controller.signal }).catch(() => 'given up')
    controller.abort()
    expect(await given).toBe('given up')
    await sleep(200)
    expect(pool.stats).toMatchObject({ idle: 1, waiting: 0 })
    await pool.use(() => undefined)
    expect(driver.count('validate')).toBe(1)
    await pool.close()
  })

  test('is always validated with validateAfterIdleMillis 0', async () => {
    const { driver, pool } = open(0)
    await openIdle(pool, 1)
    await pool.use(() => undefined)
    expect(driver.count('validate')).toBe(1)
    await pool.close()
  })
})
