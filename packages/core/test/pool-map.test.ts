import { expect, test } from 'vitest'
import { createPoolMap, type PoolMapOptions, sharedBudget } from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { pass, useFakeTime } from './support/time.ts'

useFakeTime()

function openMap(options: PoolMapOptions = {}, driver = new FakeDriver()) {
  const map = createPoolMap<string, FakeResource, unknown, object>(
    driver,
    (key) => ({ connection: key, name: key, idleTimeoutMillis: 1_000 }),
    options,
  )
  return { driver, map }
}

test('a pool is created at its first use, and is the same until it is closed', async () => {
  const { driver, map } = openMap({ idleMillis: 5_000 })
  const events: string[] = []
  map.on('create', ({ generation }, key) => events.push(`create ${generation} ${key}`))
  map.on('close', (key) => events.push(`close ${key}`))
  const pool = map.get('a')
  expect(map.get('a')).toBe(pool)
  await pool.use(() => undefined)
  expect(driver.resource(1).openedWith).toBe('a')
  expect(map.stats).toMatchObject({ pools: 1, size: 1, idle: 1, permits: 0 })
  await pass(20_000)
  expect(map.size).toBe(0)
  expect(events).toEqual(['create 1 a', 'close a'])
  expect(map.get('a')).not.toBe(pool)
  await map.close()
})

test('hundreds of keys are all served under one budget', async () => {
  const { driver, map } = openMap({ budget: sharedBudget({ limit: 50 }) })
  let served = 0
  const work = Array.from({ length: 300 }, async (_, n) => {
    await map.get(`tenant ${n}`).use(() => new Promise((resolve) => setTimeout(resolve, 1)))
    served++
  })
  await pass(3_000)
  expect(served).toBe(300)
  await Promise.all(work)
  expect(driver.mostAtOnce).toBeLessThanOrEqual(50)
  await map.close()
  expect(driver.open).toEqual([])
})

test('beyond `maxPools`, the pool that has been unused for longest is closed', async () => {
  const { map } = openMap({ maxPools: 2 })
  const lease = await map.get('a').acquire()
  const second = map.get('b')
  map.get('c')
  await expect(second.acquire()).rejects.toMatchObject({ code: 'FORKSAFE_POOL_CLOSED' })
  await map.get('c').acquire()
  expect(() => map.get('d')).toThrow(RangeError)
  lease.release()
  map.get('d')
  expect(map.size).toBe(2)
  const closed = map.close({ deadlineMillis: 10 })
  await pass(100)
  await closed
  expect(() => map.get('a')).toThrow(TypeError)
})

test('a pool in use, or used a short while ago, stays', async () => {
  const { map } = openMap({ idleMillis: 5_000 })
  const lease = await map.get('a').acquire()
  const closed: string[] = []
  map.on('close', (key) => closed.push(key))
  await pass(3_000)
  map.get('b')
  await pass(3_000)
  expect(map.size).toBe(2)
  await pass(5_000)
  expect(closed).toEqual(['b'])
  lease.release()
  await pass(20_000)
  expect(closed).toEqual(['b', 'a'])
  await map[Symbol.asyncDispose]()
  expect(() => map.get('a')).toThrow(TypeError)
})

test('options that are not a function of the key are refused', () => {
  expect(() => createPoolMap(new FakeDriver(), {} as never)).toThrow(
    '`createPoolMap`: expected a function that returns the options for a key, got an object.',
  )
})

test.each([{ idleMillis: 0 }, { maxPools: 0 }, { budget: {} }, { max: 5 }])(
  'the options %j are refused',
  (options) => {
    expect(() => openMap(options as PoolMapOptions)).toThrow(TypeError)
  },
)
