import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import {
  afterFork,
  AcquireTimeoutError,
  CreateError,
  LeaseReleasedError,
  PoolClosedError,
  PoolError,
  QueueFullError,
  StaleResourceError,
} from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openPool } from './support/pools.ts'
import { errorOf, pass, useFakeTime } from './support/time.ts'

useFakeTime()

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('It should have thrown.')
}

const name = 'orders'

const errors: [new (...args: never[]) => PoolError, string, () => Promise<unknown>][] = [
  [
    AcquireTimeoutError,
    'FORKSAFE_ACQUIRE_TIMEOUT',
    async () => {
      const pool = openPool(new FakeDriver(), { name, max: 1 })
      await pool.acquire()
      const error = errorOf(pool.acquire({ timeoutMillis: 10 }))
      await pass(11)
      return error
    },
  ],
  [
    QueueFullError,
    'FORKSAFE_QUEUE_FULL',
    async () => {
      const pool = openPool(new FakeDriver(), { name, max: 1, maxWaitingClients: 0 })
      await pool.acquire()
      return errorOf(pool.acquire())
    },
  ],
  [
    CreateError,
    'FORKSAFE_CREATE_FAILED',
    async () => {
      const driver = new FakeDriver({ hooks: ['classify'] })
      driver.failureKind = 'fatal'
      driver.plans.create = 'reject'
      return errorOf(openPool(driver, { name }).acquire())
    },
  ],
  [
    PoolClosedError,
    'FORKSAFE_POOL_CLOSED',
    async () => {
      const pool = openPool(new FakeDriver(), { name })
      await pool.close()
      return errorOf(pool.acquire())
    },
  ],
  [
    LeaseReleasedError,
    'FORKSAFE_LEASE_RELEASED',
    async () => {
      const lease = await openPool(new FakeDriver(), { name }).acquire()
      lease.release()
      return thrownBy(() => lease.resource)
    },
  ],
  [
    StaleResourceError,
    'FORKSAFE_STALE_RESOURCE',
    async () => {
      const lease = await openPool(new FakeDriver(), { name }).acquire()
      afterFork()
      return thrownBy(() => lease.resource)
    },
  ],
]

test.each(errors)(
  '%o has its name, a stable code, the pool, and its name in the first line of its stack',
  async (type, code, provoke) => {
    const error = await provoke()
    expect(error).toBeInstanceOf(type)
    expect(error).toBeInstanceOf(PoolError)
    expect(error).toBeInstanceOf(Error)
    if (!(error instanceof PoolError)) return
    expect(error).toMatchObject({ name: type.name, code, pool: name })
    expect(error.message).toContain(`Pool "${name}"`)
    expect(error.stack?.split('\n')[0]).toBe(`${type.name}: ${error.message}`)
    expect(Object.prototype.toString.call(error)).toBe('[object Error]')
    expect(String(error)).toBe(`${type.name}: ${error.message}`)
  },
)

test('an error about a missing resource has the numbers of the pool in its message', async () => {
  const pool = openPool(new FakeDriver(), { name, max: 1 })
  await pool.acquire()
  const error = errorOf(pool.acquire({ timeoutMillis: 10 }))
  await pass(11)
  expect(await error).toMatchObject({
    message: expect.stringMatching(
      /^Pool "orders" \(size 1 of 1, idle 0, borrowed 1, waiting 1, creating 0, destroying 0\): /,
    ),
  })
})

test('any value that a driver rejects with becomes the cause', async () => {
  for (const thrown of [new Error('refused'), 'a string', undefined, null, 42]) {
    const driver = Object.assign(new FakeDriver(), {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- drivers do
      create: () => Promise.reject(thrown),
      classify: () => 'fatal' as const,
    })
    const error = await errorOf(openPool(driver).acquire())
    expect(error).toBeInstanceOf(CreateError)
    expect(error).toHaveProperty('cause', thrown)
    expect('cause' in (error as CreateError)).toBe(true)
  }
})

/** Returns the message after the pool's numbers for a fatal failure with this rejection. */
async function toldOf(thrown: unknown): Promise<string> {
  const driver = Object.assign(new FakeDriver(), {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- drivers do
    create: () => Promise.reject(thrown),
    classify: () => 'fatal' as const,
  })
  const error = await errorOf(openPool(driver).acquire())
  expect(error).toBeInstanceOf(CreateError)
  expect((error as CreateError).cause).toBe(thrown)
  return (error as CreateError).message.replace(/^.*create failed: /s, '')
}

const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}:5432`)
const failures: [string, unknown, string][] = [
  ['an error', new Error('refused'), 'refused'],
  ['an error without a message', new RangeError(), 'RangeError'],
  ['one that has a code', Object.assign(new Error(), { code: 'ECONNRESET' }), 'ECONNRESET'],
  [
    'a host that refuses at each of its addresses',
    Object.assign(new AggregateError([refused('::1'), refused('127.0.0.1')]), { code: 'EX' }),
    'connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432',
  ],
  ['no errors at all', Object.assign(new AggregateError([]), { code: 'EX' }), 'EX'],
  ['an error of another realm', runInNewContext('new Error("elsewhere")'), 'elsewhere'],
  ['a string', 'refused', 'a string in place of an error'],
  ['nothing', undefined, 'undefined in place of an error'],
  ['an object', { code: 'X' }, 'an object in place of an error'],
  [
    'an object without a prototype',
    Object.assign(Object.create(null), { code: 'X' }),
    'an object in place of an error',
  ],
  [
    'an object whose toString throws',
    {
      code: 'X',
      toString() {
        throw new Error('no string')
      },
    },
    'an object in place of an error',
  ],
  [
    'an error whose message throws',
    Object.defineProperty(new Error('hidden'), 'message', {
      get() {
        throw new Error('no message')
      },
    }),
    'an error that cannot be shown',
  ],
]

test.each(failures)(
  'the message shows the error of the driver: %s',
  async (_, thrown, expected) => {
    expect(await toldOf(thrown)).toBe(expected)
  },
)

test('a caller is rejected in time even if the error of the driver cannot be formatted', async () => {
  const driver = Object.assign(new FakeDriver(), {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- drivers do
    create: () => Promise.reject(Object.create(null)),
  })
  const error = errorOf(openPool(driver).acquire({ timeoutMillis: 10 }))
  await pass(11)
  expect(await error).toMatchObject({
    name: 'AcquireTimeoutError',
    message: expect.stringMatching(/The last create failed: an object in place of an error$/),
  })
})

test('an error of an ended lease says how it ended', async () => {
  const driver = new FakeDriver()
  const pool = openPool(driver)
  const released = await pool.acquire()
  released.release()
  const destroyed = await pool.acquire()
  destroyed.destroy()
  const lost = await pool.acquire()
  driver.resources.at(-1)?.lose()
  const closed = await pool.acquire()
  const closing = pool.close({ deadlineMillis: 0 })
  await pass(1)
  await closing
  expect(() => released.resource).toThrow('released')
  expect(() => destroyed.resource).toThrow('destroyed')
  expect(() => lost.resource).toThrow('lost')
  expect(() => closed.resource).toThrow('closed')
})
