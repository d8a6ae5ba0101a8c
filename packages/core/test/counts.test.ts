import { expect, test } from 'vitest'
import { afterFork, type PoolStats } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, type FakePool, openIdle, openPool } from './support/pools.ts'
import { errorOf, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

/** `created`, less all that have ended, is what is open. */
function openOf({ created, destroyed, discarded }: PoolStats): number {
  const ended = Object.values(destroyed).reduce((sum, count) => sum + count, 0)
  return created - ended - discarded
}

function withValidate(): FakeDriver {
  return new FakeDriver({ hooks: ['validate', 'watch'] })
}

test('leases and requests are counted, whether they wait or not', async () => {
  const pool = openPool(new FakeDriver(), { max: 1 })
  await openIdle(pool, 1)
  await pool.use(() => 1)
  const lease = await pool.acquire()
  const waiting = pool.acquire()
  lease.release()
  await waiting.then((lease) => lease.release())
  await pool.share(async () => 1)
  expect(pool.stats).toMatchObject({ acquired: 5, created: 1, timedOut: 0, rejected: 0 })
})

test('callers that time out, are rejected, or give up are told apart', async () => {
  const pool = openPool(new FakeDriver(), { max: 1, maxWaitingClients: 1 })
  const lease = await pool.acquire()
  const late = errorOf(pool.acquire({ timeoutMillis: 10 }))
  await errorOf(pool.acquire())
  await pass(11)
  await late
  const aborter = new AbortController()
  const aborted = errorOf(pool.acquire({ signal: aborter.signal }))
  aborter.abort()
  await aborted
  expect(pool.stats).toMatchObject({ acquired: 1, timedOut: 1, rejected: 1 })
  const closed = pool.close()
  await errorOf(pool.acquire())
  lease.release()
  await closed
  await errorOf(pool.share(async () => 1))
  expect(pool.stats).toMatchObject({ acquired: 1, timedOut: 1, rejected: 3 })
})

test('waiting callers that a closing pool rejects are counted', async () => {
  const pool = openPool(new FakeDriver(), { max: 1 })
  await pool.acquire()
  const errors = [errorOf(pool.acquire()), errorOf(pool.acquire())]
  const closed = pool.close({ deadlineMillis: 100 })
  await pass(101)
  await Promise.all([...errors, closed])
  expect(pool.stats.rejected).toBe(2)
})

test('creates, their failures, and ends by reason are counted', async () => {
  const driver = withValidate()
  driver.plans.create = 'reject'
  const pool = openPool(driver, { max: 2 })
  const first = pool.acquire()
  await settled()
  driver.plans.create = 'pass'
  await pass(100)
  const [a, b] = [await first, await pool.acquire()]
  a.destroy()
  driver.resource(b.resource.id).lose()
  b.release()
  await openIdle(pool, 2)
  pool.trim(1)
  pool.recycle()
  await settled()
  const { stats } = pool
  expect(stats).toMatchObject({ created: 4, createFailures: 1, discarded: 0 })
  expect(stats.destroyed).toMatchObject({ broken: 1, lost: 1, trim: 1, recycle: 1, close: 0 })
  expect(openOf(stats)).toBe(0)
})

test('stats are those of one moment', async () => {
  const pool = openPool(new FakeDriver())
  const before = pool.stats
  await pool.use((_resource, lease) => lease.destroy())
  await settled()
  expect(before).toMatchObject({ acquired: 0, created: 0, destroyed: { broken: 0 } })
  expect(pool.stats).toMatchObject({ acquired: 1, created: 1, destroyed: { broken: 1 } })
})

test('a process change adds to the discarded and takes nothing away', async () => {
  const pool = openPool(new FakeDriver(), { max: 3 })
  await openIdle(pool, 2)
  const lease = await pool.acquire()
  const before = pool.stats
  afterFork()
  lease.release()
  const { stats } = pool
  expect(stats).toMatchObject({ acquired: 3, created: 2, discarded: 2 })
  expect(stats.totalHoldMillis).toBe(before.totalHoldMillis)
  expect(openOf(stats)).toBe(0)
  await openIdle(pool, 1)
  expect(openOf(pool.stats)).toBe(1)
})

const endings: Record<string, (pool: FakePool) => Promise<void>> = {
  'a release to the idle ones': async (pool) => (await held(pool, 40)).release(),
  'a release to a waiting caller': async (pool) => {
    const lease = await held(pool, 40)
    const next = pool.acquire()
    lease.release()
    await next
  },
  'a destroy': async (pool) => (await held(pool, 40)).destroy(),
  'a release of a retired resource': async (pool) => {
    const lease = await held(pool, 40)
    pool.recycle()
    lease.release()
  },
  'a release that is beyond a lowered max': async (pool) => {
    const lease = await held(pool, 40)
    pool.resize({ max: 1 })
    lease.release()
  },
  'the end of the resource': async (pool) => {
    const lease = await held(pool, 40)
    lease.resource.lose()
  },
}

async function held(pool: FakePool, millis: number): ReturnType<FakePool['acquire']> {
  const lease = await pool.acquire()
  await pass(millis)
  return lease
}

test.each(Object.entries(endings))('the time of a lease counts until %s', async (_name, end) => {
  const pool = openPool(withValidate(), { max: 1 })
  await end(pool)
  expect(pool.stats.totalHoldMillis).toBeCloseTo(40, 0)
})

test('the time of a lease counts until its release, and not until the end of its reset', async () => {
  const driver = new FakeDriver({ hooks: ['validate', 'reset'] })
  driver.plans.reset = { afterMillis: 100, outcome: 'pass' }
  const pool = openPool(driver, { max: 1 })
  const lease = await held(pool, 40)
  lease.release()
  const next = pool.acquire()
  await pass(100)
  await next
  expect(pool.stats.totalHoldMillis).toBeCloseTo(40, 0)
  expect(pool.stats.totalWaitMillis).toBeCloseTo(100, -1)
})

test('the time of a wait counts for callers that get a resource', async () => {
  const driver = withValidate()
  driver.plans.create = { afterMillis: 30, outcome: 'pass' }
  const pool = openPool(driver, { max: 1 })
  const first = pool.acquire()
  await pass(30)
  const lease = await first
  expect(pool.stats.totalWaitMillis).toBeCloseTo(30, 0)
  const late = errorOf(pool.acquire({ timeoutMillis: 10 }))
  await pass(50)
  await late
  const second = pool.acquire()
  await pass(20)
  lease.release()
  await second
  expect(pool.stats.totalWaitMillis).toBeCloseTo(50, 0)
})

test('every resource has an id that no other has, in any pool or generation', async () => {
  const pools = [openPool(new FakeDriver()), openPool(new FakeDriver())]
  const ids: number[] = []
  for (const pool of pools) {
    for (const lease of await acquireMany(pool, 2)) ids.push(lease.id)
    pool.recycle()
    for (const lease of await acquireMany(pool, 2)) ids.push(lease.id)
  }
  afterFork()
  for (const pool of pools) ids.push((await pool.acquire()).id)
  expect(new Set(ids).size).toBe(10)
})

test('the events of a resource and its leases have the same id', async () => {
  const pool = openPool(withValidate(), { leakDetectionMillis: 50 })
  const ids: unknown[] = []
  for (const event of ['create', 'leak', 'destroy'] as const) {
    pool.on(event, ({ id }) => ids.push(event, id))
  }
  const lease = await held(pool, 60)
  const { id } = lease
  lease.destroy()
  expect(lease.id).toBe(id)
  await settled()
  expect(ids).toEqual(['create', id, 'leak', id, 'destroy', id])
})
