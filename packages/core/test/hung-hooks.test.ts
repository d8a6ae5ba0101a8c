import { describe, expect, test } from 'vitest'
import { AcquireTimeoutError } from '../src/index.ts'
import { FakeDriver, type HookName } from './support/fake-driver.ts'
import { type FakePool, openIdle, openPool } from './support/pools.ts'
import { follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

/** Makes one caller after another wait for at most a second. Returns their outcomes. */
async function callOneByOne(pool: FakePool, count: number): Promise<(number | string)[]> {
  const answers: (number | string)[] = []
  for (let caller = 0; caller < count; caller++) {
    const use = follow(pool.use(({ id }) => id, { timeoutMillis: 1_000 }))
    await pass(1_000)
    if (use.outcome.state === 'fulfilled') answers.push(use.outcome.value)
    else if (use.outcome.state === 'rejected') answers.push((use.outcome.error as Error).name)
    else answers.push('pending')
  }
  return answers
}

/** Makes the next call of a hook hang. Later calls pass. */
function hangOnce(driver: FakeDriver, hook: HookName): void {
  driver.plans[hook] = 'hang'
  driver.onCall = (called) => {
    if (called === hook) queueMicrotask(() => (driver.plans[hook] = 'pass'))
  }
}

describe('while one hook hangs', () => {
  test('a create that outlives its caller does not keep others from opening a resource', async () => {
    const driver = new FakeDriver()
    hangOnce(driver, 'create')
    const pool = openPool(driver)
    expect(await callOneByOne(pool, 3)).toEqual(['AcquireTimeoutError', 1, 1])
    expect(pool.stats).toMatchObject({ size: 2, creating: 1 })
    await pass(10_000)
    expect(pool.stats).toMatchObject({ size: 1, creating: 0 })
  })

  test('each caller that gives up allows another create', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 4 })
    const waits = [1, 2].map(() => follow(pool.acquire({ timeoutMillis: 1_000 })))
    await pass(1_000)
    expect(waits.map(({ outcome }) => outcome.state)).toEqual(['rejected', 'rejected'])
    driver.plans.create = 'pass'
    const next = [1, 2].map(() => follow(pool.acquire()))
    await settled()
    expect(next.map(({ outcome }) => outcome.state)).toEqual(['fulfilled', 'fulfilled'])
  })

  test('a caller that aborts counts as one that timed out', async () => {
    const driver = new FakeDriver()
    hangOnce(driver, 'create')
    const pool = openPool(driver)
    const controller = new AbortController()
    const first = follow(pool.acquire({ signal: controller.signal }))
    await pass(500)
    controller.abort(new Error('enough'))
    await settled()
    expect(first.outcome.state).toBe('rejected')
    expect(await callOneByOne(pool, 1)).toEqual([1])
  })

  test.each(['validate', 'reset'] as const)(
    'a %s that outlives its caller does not keep others from a free slot',
    async (hook) => {
      const driver = new FakeDriver({ hooks: ['watch', hook] })
      const pool = openPool(driver, { validateTimeoutMillis: 60_000 })
      if (hook === 'validate') {
        await openIdle(pool, 1)
        await pass(501)
        hangOnce(driver, hook)
      } else {
        hangOnce(driver, hook)
        await openIdle(pool, 1)
      }
      expect(await callOneByOne(pool, 3)).toEqual(['AcquireTimeoutError', 2, 2])
    },
  )

  test('later callers rely on the create again once it has ended', async () => {
    const driver = new FakeDriver()
    hangOnce(driver, 'create')
    const pool = openPool(driver, { max: 2 })
    expect(await callOneByOne(pool, 1)).toEqual(['AcquireTimeoutError'])
    driver.settle('create')
    await settled()
    expect(pool.stats).toMatchObject({ size: 1, idle: 1, creating: 0 })
    driver.plans.create = 'hang'
    const [lease, wait] = [await pool.acquire(), follow(pool.acquire())]
    await settled()
    expect(pool.stats).toMatchObject({ size: 2, creating: 1, waiting: 1 })
    lease.release()
    await settled()
    expect(wait.outcome.state).toBe('fulfilled')
  })

  test('no more than `max` are opened, however many callers give up', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 3, createTimeoutMillis: 60_000 })
    expect(new Set(await callOneByOne(pool, 20))).toEqual(new Set(['AcquireTimeoutError']))
    expect(driver.mostAtOnce).toBe(3)
    expect(pool.stats).toMatchObject({ size: 3, creating: 3, waiting: 0 })
  })

  test('a failing server still gets one attempt at a time', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver, { createTimeoutMillis: 60_000 })
    await callOneByOne(pool, 1)
    driver.plans.create = 'hang'
    driver.mostAtOnce = 0
    await callOneByOne(pool, 10)
    expect(driver.mostAtOnce).toBe(1)
  })

  test('a caller with a timeout of 0 does not cause more than one create', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver)
    for (let call = 0; call < 5; call++) {
      const wait = follow(pool.acquire({ timeoutMillis: 0 }))
      await pass(10)
      expect(wait.outcome).toMatchObject({ error: expect.any(AcquireTimeoutError) })
    }
    expect(pool.stats.creating).toBe(1)
  })

  test('a create that began late in a wait is still relied on after that wait', async () => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 2 })
    const leases = [await pool.acquire(), await pool.acquire()]
    driver.plans.create = 'hang'
    const wait = follow(pool.acquire({ timeoutMillis: 1_000 }))
    await pass(950)
    leases[0]?.destroy()
    await pass(50)
    expect(wait.outcome.state).toBe('rejected')
    leases[1]?.destroy()
    follow(pool.acquire())
    await settled()
    expect(pool.stats.creating).toBe(1)
  })
})
