import { expect, test } from 'vitest'
import { createForkSafePool, poolHealth } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

function withValidate(): FakeDriver {
  return new FakeDriver({ hooks: ['validate', 'watch', 'classify'] })
}

test('a pool that can open a resource is healthy, and the resource is kept', async () => {
  const pool = openPool(withValidate())
  const health = await poolHealth(pool)
  expect(health).toMatchObject({ healthy: true, stats: { idle: 1, borrowed: 0 } })
  expect(health.durationMillis).toBeGreaterThanOrEqual(0)
})

test('a driver without `validate` is healthy if a resource can be had', async () => {
  expect(await poolHealth(openPool(new FakeDriver()))).toMatchObject({ healthy: true })
})

test('a check goes ahead of waiting callers', async () => {
  const pool = openPool(withValidate(), { max: 1 })
  const lease = await pool.acquire()
  const waiting = follow(pool.acquire())
  const health = poolHealth(pool)
  lease.release()
  expect(await health).toMatchObject({ healthy: true })
  await settled()
  expect(waiting.outcome.state).toBe('fulfilled')
})

test('a busy pool says so in time', async () => {
  const pool = openPool(withValidate(), { max: 1 })
  await pool.acquire()
  const health = poolHealth(pool, { timeoutMillis: 100 })
  await pass(101)
  expect(await health).toMatchObject({
    healthy: false,
    reason: 'busy',
    message: expect.stringContaining('Every resource is borrowed') as string,
    stats: { borrowed: 1, waiting: 0 },
  })
})

test('an idle resource that does not answer is discarded, and its place is free', async () => {
  const driver = withValidate()
  const pool = openPool(driver, { max: 1 })
  await openIdle(pool, 1)
  driver.plans.validate = 'hang'
  const health = poolHealth(pool, { timeoutMillis: 100 })
  await pass(101)
  expect(await health).toMatchObject({
    healthy: false,
    reason: 'unresponsive',
    message: expect.stringContaining('did not answer') as string,
    stats: { size: 0 },
  })
  expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
})

test('an idle resource that the pool itself tests is discarded as well', async () => {
  const driver = withValidate()
  const pool = openPool(driver, {
    max: 1,
    validateAfterIdleMillis: 50,
    validateTimeoutMillis: 9_000,
  })
  await openIdle(pool, 1)
  await pass(60)
  driver.plans.validate = 'hang'
  const health = poolHealth(pool, { timeoutMillis: 100 })
  await pass(101)
  expect(await health).toMatchObject({ healthy: false, reason: 'unresponsive', stats: { size: 0 } })
  expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
})

test('a create that hangs is given up, and its place is free', async () => {
  const driver = withValidate()
  driver.plans.create = 'hang'
  const pool = openPool(driver, { max: 1 })
  const health = poolHealth(pool, { timeoutMillis: 100 })
  await pass(101)
  expect(await health).toMatchObject({ healthy: false, reason: 'unreachable', stats: { size: 0 } })
  driver.plans.create = 'pass'
  expect((await pool.acquire()).active).toBe(true)
})

test('a create for which somebody else waits goes on', async () => {
  const driver = withValidate()
  driver.plans.create = { afterMillis: 150, outcome: 'pass' }
  const pool = openPool(driver, { max: 1 })
  const health = poolHealth(pool, { timeoutMillis: 100 })
  const waiting = follow(pool.acquire())
  await pass(101)
  expect(await health).toMatchObject({ healthy: false, reason: 'unreachable' })
  await pass(50)
  expect(waiting.outcome.state).toBe('fulfilled')
  expect(pool.stats.created).toBe(1)
})

test.each(['transient', 'fatal'] as const)('a create that fails is reported: %s', async (kind) => {
  const driver = withValidate()
  driver.plans.create = 'reject'
  driver.failureKind = kind
  const pool = openPool(driver)
  const health = poolHealth(pool, { timeoutMillis: 100 })
  await pass(101)
  expect(await health).toMatchObject({
    healthy: false,
    reason: 'unreachable',
    message: expect.stringContaining('create failed') as string,
  })
})

test.each(['reject', 'throw'] as const)('a validation that fails is reported: %s', async (plan) => {
  const driver = withValidate()
  driver.plans.validate = plan
  const pool = openPool(driver)
  expect(await poolHealth(pool)).toMatchObject({ healthy: false, reason: 'invalid' })
  await settled()
  expect(pool.stats).toMatchObject({ size: 0, destroyed: { broken: 1 } })
})

test('a validation that returns false is reported', async () => {
  const driver = new FakeDriver()
  const pool = createForkSafePool(
    {
      name: 'no',
      create: (connection: unknown, context) => driver.create(connection, context),
      validate: () => false,
      destroy: () => undefined,
      discard: () => undefined,
    },
    { connection: 'db' },
  )
  expect(await poolHealth(pool)).toMatchObject({ healthy: false, reason: 'invalid' })
})

test('a resource that dies as the check gets it is reported', async () => {
  const driver = withValidate()
  const pool = openPool(driver, { max: 1 })
  const lease = await pool.acquire()
  const health = poolHealth(pool)
  lease.release()
  driver.resource(1).lose()
  expect(await health).toMatchObject({
    healthy: false,
    reason: 'failed',
    error: { code: 'FORKSAFE_LEASE_RELEASED' },
    stats: { borrowed: 0 },
  })
})

test('a change of process during a check is reported', async () => {
  const process = new FakeProcess()
  const driver = withValidate()
  driver.plans.create = 'hang'
  const health = poolHealth(process.pool(driver))
  process.fork()
  process.hook()
  expect(await health).toMatchObject({
    reason: 'failed',
    error: { code: 'FORKSAFE_STALE_RESOURCE' },
  })
})

test('a check that waits in vain for a reset leaves it alone', async () => {
  const driver = new FakeDriver({ hooks: ['reset', 'watch'] })
  const pool = openPool(driver, { max: 1 })
  const lease = await pool.acquire()
  const health = poolHealth(pool, { timeoutMillis: 100 })
  driver.plans.reset = 'hang'
  lease.release()
  await pass(101)
  expect(await health).toMatchObject({ healthy: false, stats: { size: 1 } })
  driver.settle('reset')
  await settled()
  expect(pool.stats).toMatchObject({ size: 1, idle: 1 })
})

test('a closed pool says so', async () => {
  const pool = openPool(withValidate())
  await pool.close()
  expect(await poolHealth(pool)).toMatchObject({ healthy: false, reason: 'closed' })
})

test('a full queue counts as busy', async () => {
  const pool = openPool(withValidate(), { max: 1, maxWaitingClients: 0 })
  await pool.acquire()
  expect(await poolHealth(pool)).toMatchObject({ healthy: false, reason: 'busy' })
})

test('wrong arguments are refused', async () => {
  const pool = openPool(withValidate(), { name: 'orders' })
  for (const timeoutMillis of [0, -1, Infinity, Number.NaN, '5']) {
    expect(await errorOf(poolHealth(pool, { timeoutMillis } as never))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('Pool "orders", `poolHealth`') as string,
    })
  }
  expect(await errorOf(poolHealth({} as never))).toEqual(
    new TypeError('`poolHealth`: expected a pool of createForkSafePool, got an object.'),
  )
})
