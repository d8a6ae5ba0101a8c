import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { BasePoolOptions, PoolEvents } from '../src/index.ts'
import { LeapingClocks } from './support/clocks.ts'
import { FakeDriver, type FakeDriverOptions } from './support/fake-driver.ts'
import { acquireMany, endsOf, openIdle } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0)
})

const YEAR = 365 * 86_400_000

function open(
  options: BasePoolOptions = {},
  hooks: FakeDriverOptions['hooks'] = ['watch', 'validate'],
) {
  const clocks = new LeapingClocks()
  const driver = new FakeDriver({ hooks })
  const process = new FakeProcess()
  const pool = process.pool(driver, options, clocks)
  const changes: PoolEvents['processChange'][0][] = []
  pool.on('processChange', (change) => changes.push(change))
  return {
    clocks,
    driver,
    process,
    pool,
    changes,
    ends: endsOf(pool),
    use: () => pool.use(({ id }) => id),
  }
}

describe('a jump of the wall clock', () => {
  test('forwards ends no lease and no wait', async () => {
    const { clocks, pool } = open({ max: 1 })
    const lease = await pool.acquire()
    const waiter = follow(pool.acquire())
    await clocks.setWall(YEAR)
    await pass(1_000)
    expect(waiter.outcome.state).toBe('pending')
    expect(lease.resource.open).toBe(true)
    lease.release()
    await settled()
    expect(waiter.outcome.state).toBe('fulfilled')
  })

  test('forwards counts as a sleep: idle resources are validated once', async () => {
    const { clocks, driver, pool, ends, use } = open()
    await openIdle(pool, 1)
    await clocks.setWall(YEAR)
    expect(await use()).toBe(1)
    expect(await use()).toBe(1)
    expect(driver.count('validate')).toBe(1)
    expect(ends).toEqual([])
  })

  test('back neither makes resources immortal nor validates them forever', async () => {
    const { clocks, driver, pool, changes, ends, use } = open({
      idleTimeoutMillis: 60_000,
      maxLifetimeMillis: 90_000,
    })
    await openIdle(pool, 2)
    await clocks.setWall(-YEAR)
    for (let turn = 0; turn < 5; turn++) expect(await use()).toBe(2)
    expect(driver.count('validate')).toBe(0)
    await pass(501)
    expect(await use()).toBe(2)
    expect(driver.count('validate')).toBe(1)
    await pass(59_501)
    expect(ends).toEqual(['idle'])
    await use()
    await pass(30_001)
    expect(ends).toEqual(['idle', 'lifetime'])
    expect(changes).toEqual([])
  })
})

describe('a jump of the monotonic clock', () => {
  test('forwards counts as elapsed time', async () => {
    const { clocks, pool, ends, use } = open({ idleTimeoutMillis: Infinity })
    await openIdle(pool, 2)
    await clocks.move(YEAR)
    expect(await use()).toBe(3)
    expect(ends).toEqual(['lifetime', 'lifetime'])
  })

  test('back is reported as a thaw, and all idle resources are validated', async () => {
    const { clocks, driver, pool, changes, use } = open({ validateAfterIdleMillis: 3_600_000 })
    await openIdle(pool, 1)
    await pass(10_000)
    await clocks.move(-YEAR)
    expect(await use()).toBe(1)
    expect(driver.count('validate')).toBe(1)
    expect(await use()).toBe(1)
    expect(driver.count('validate')).toBe(1)
    expect(changes).toEqual([{ reason: 'thaw', incarnation: 1, generation: 1, discarded: 0 }])
  })

  test('back, repeated, does not extend idle times and lifetimes beyond the time that the pool has seen', async () => {
    const { clocks, pool, ends, use } = open({
      idleTimeoutMillis: 60_000,
      maxLifetimeMillis: 100_000,
    })
    await openIdle(pool, 2)
    for (let leap = 0; leap < 7; leap++) {
      await pass(10_000)
      await clocks.move(-YEAR)
      await use()
    }
    expect(ends).toEqual(['idle'])
    await pass(30_001)
    expect(ends).toEqual(['idle', 'lifetime'])
  })

  test('back is also noticed by a release, and in a pool where no caller has waited', async () => {
    const { clocks, pool, changes } = open({ min: 1 }, [])
    await pool.warmUp()
    const lease = await pool.acquire()
    await clocks.move(-YEAR)
    lease.release()
    await settled()
    expect(changes).toHaveLength(1)
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })

  test('back does not postpone the deadline of a waiting caller', async () => {
    const { clocks, pool } = open({ max: 1 })
    await pool.acquire()
    const first = follow(pool.acquire({ timeoutMillis: 5_000 }))
    await pass(2_000)
    await clocks.move(-YEAR)
    const second = follow(pool.acquire({ timeoutMillis: 60_000 }))
    await pass(4_999)
    expect([first.outcome.state, second.outcome.state]).toEqual(['rejected', 'pending'])
    await pass(60_001)
    expect(second.outcome.state).toBe('rejected')
  })

  test('back does not prolong the pause after a failed create', async () => {
    const { clocks, driver, pool } = open({
      max: 1,
      backoff: { minMillis: 60_000, maxMillis: 60_000 },
    })
    vi.mocked(Math.random).mockReturnValue(1)
    driver.plans.create = 'reject'
    const first = follow(pool.acquire())
    await pass(1)
    driver.plans.create = 'pass'
    await clocks.move(-YEAR)
    const second = follow(pool.acquire())
    await settled()
    expect([first.outcome.state, second.outcome.state]).toEqual(['fulfilled', 'pending'])
  })

  test.each(['create', 'validate', 'reset', 'destroy'] as const)(
    'back abandons a %s in flight, whose timeout would never fire',
    async (hook) => {
      const { clocks, driver, pool } = open({ max: 1 }, ['watch', 'validate', 'reset'])
      if (hook !== 'create') await openIdle(pool, 1)
      await pass(1_000)
      driver.plans[hook] = 'hang'
      const caller = hook === 'create' || hook === 'validate' ? follow(pool.acquire()) : undefined
      if (caller === undefined) {
        const lease = await pool.acquire()
        if (hook === 'reset') lease.release()
        else lease.destroy()
      }
      expect(driver.pending).toHaveLength(1)
      driver.plans[hook] = 'pass'
      await clocks.move(-YEAR)
      const next = follow(pool.acquire())
      await settled()
      expect((caller ?? next).outcome.state).toBe('fulfilled')
      expect(driver.open).toHaveLength(1)
      expect(driver.mostAtOnce).toBeLessThanOrEqual(2)
    },
  )

  test('back abandons operations in flight of a recycled generation', async () => {
    const { clocks, driver, pool } = open({ max: 2 })
    await openIdle(pool, 1)
    driver.plans.destroy = 'hang'
    pool.recycle()
    expect(pool.stats).toMatchObject({ destroying: 1 })
    await clocks.move(-YEAR)
    await pool.acquire()
    await settled()
    expect(pool.stats).toMatchObject({ destroying: 0, size: 1 })
  })
})

describe('a restore reported by afterRestore()', () => {
  const leaps: [string, (clocks: LeapingClocks) => Promise<void>][] = [
    ['neither clock leaps', async () => undefined],
    ['the wall clock leaps forwards', (clocks) => clocks.setWall(YEAR)],
    ['the wall clock leaps back', (clocks) => clocks.setWall(-YEAR)],
    ['the monotonic clock leaps forwards', (clocks) => clocks.move(YEAR)],
    ['the monotonic clock leaps back', (clocks) => clocks.move(-YEAR)],
    [
      'both leap apart',
      async (clocks) => {
        await clocks.setWall(YEAR)
        await clocks.move(-YEAR)
      },
    ],
  ]

  test.each(leaps)('ends every timer, and is the only reported change, if %s', async (_, leap) => {
    const { clocks, driver, process, pool, changes } = open({ keepaliveMillis: 1_000, max: 4 })
    const [idle, lent, , broken] = await acquireMany(pool, 4)
    idle?.release()
    await settled()
    driver.plans.destroy = 'hang'
    broken?.destroy()
    const waiter = errorOf(pool.acquire({ priority: 1 }).then(() => pool.acquire()))
    await leap(clocks)
    process.identity.announce('restore')
    expect(vi.getTimerCount()).toBe(0)
    expect(await waiter).toMatchObject({ code: 'FORKSAFE_STALE_RESOURCE' })
    expect(() => lent?.resource).toThrow('belongs to the process')
    await pass(60_000)
    expect(changes).toEqual([{ reason: 'restore', incarnation: 2, generation: 2, discarded: 4 }])
    expect(driver.open).toEqual([])
    expect(driver.count('validate')).toBe(0)
  })

  test.each(leaps)('uses only the new clocks, if %s', async (_, leap) => {
    const { clocks, driver, process, pool, changes, ends, use } = open({
      max: 1,
      idleTimeoutMillis: 60_000,
      maxLifetimeMillis: 100_000,
    })
    await openIdle(pool, 1)
    await pass(10_000)
    await leap(clocks)
    process.identity.announce('restore')

    // Validation before lending.
    expect(await use()).toBe(2)
    expect(await use()).toBe(2)
    expect(driver.count('validate')).toBe(0)
    await pass(501)
    await use()
    expect(driver.count('validate')).toBe(1)
    // The deadline of a wait.
    const lease = await pool.acquire()
    const waiter = follow(pool.acquire({ timeoutMillis: 5_000 }))
    await pass(4_998)
    expect(waiter.outcome.state).toBe('pending')
    await pass(3)
    expect(waiter.outcome.state).toBe('rejected')
    lease.release()
    // The idle timeout.
    await pass(59_999)
    expect(ends).toEqual([])
    await pass(2)
    expect(ends).toEqual(['idle'])
    // The lifetime.
    expect(await use()).toBe(3)
    await pass(50_000)
    await use()
    await pass(50_002)
    expect(ends).toEqual(['idle', 'lifetime'])
    expect(changes).toHaveLength(1)
  })
})
