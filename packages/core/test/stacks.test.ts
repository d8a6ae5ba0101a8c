import { describe, expect, test } from 'vitest'
import { afterFork, createForkSafePool, type ForkSafePool } from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'

type Call = (pool: ForkSafePool<FakeResource>) => Promise<unknown>

const calls: Record<string, Call> = {
  acquire: async function acquireCaller(pool) {
    await pool.acquire()
  },
  'acquire, with then()': async function thenCaller(pool) {
    await pool.acquire().then((lease) => lease.resource)
  },
  use: async function useCaller(pool) {
    await pool.use(async () => undefined)
  },
  'use, in Promise.all': async function allCaller(pool) {
    await Promise.all([pool.use(async () => undefined), Promise.resolve()])
  },
}

async function stackOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(Error)
  return String((error as Error).stack)
}

// Each causes the error of a caller that waits for the only resource.
const causes: Record<string, (pool: ForkSafePool<FakeResource>) => Promise<void>> = {
  AcquireTimeoutError: async () => undefined,
  PoolClosedError: async (pool) => pool.close({ deadlineMillis: 0 }),
  StaleResourceError: async () => afterFork(),
}

describe.each(Object.entries(causes))('the stack of %s', (name, cause) => {
  test.each(Object.entries(calls))('leads to the caller of %s', async (_, call) => {
    const pool = createForkSafePool(new FakeDriver(), { max: 1, acquireTimeoutMillis: 100 })
    await pool.acquire()
    const stack = stackOf(call(pool))
    await cause(pool)
    expect(await stack).toMatch(new RegExp(`^${name}: [^]*at (async )?${call.name} `))
    await pool.close({ deadlineMillis: 0 })
  })
})

describe.each(['fatal', 'single'] as const)('the stack of a CreateError that is %s', (kind) => {
  test.each(Object.entries(calls))('leads to the caller of %s', async (_, call) => {
    const driver = new FakeDriver({ hooks: ['classify'] })
    driver.plans.create = 'reject'
    driver.failureKind = kind
    const pool = createForkSafePool(driver, {})
    expect(await stackOf(call(pool))).toMatch(
      new RegExp(`^CreateError: [^]*at (async )?${call.name} `),
    )
    await pool.close()
  })
})

test('the stack of the CreateError of warmUp leads to its caller', async () => {
  const driver = new FakeDriver()
  driver.plans.create = 'reject'
  const pool = createForkSafePool(driver, { min: 1 })
  async function warmUpCaller(): Promise<void> {
    await pool.warmUp()
  }
  expect(await stackOf(warmUpCaller())).toMatch(/^CreateError: [^]*at (async )?warmUpCaller /)
  await pool.close()
})

test.each(Object.entries(calls))(
  'the stack of QueueFullError leads to the caller of %s',
  async (_, call) => {
    const pool = createForkSafePool(new FakeDriver(), { max: 1, maxWaitingClients: 0 })
    const lease = await pool.acquire()
    expect(await stackOf(call(pool))).toMatch(new RegExp(`^QueueFullError: [^]*at .*${call.name} `))
    lease.release()
    await pool.close()
  },
)
