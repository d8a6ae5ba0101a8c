import { afterEach, describe, expect, test } from 'vitest'
import * as core from '../src/index.ts'
import { AcquireTimeoutError, createForkSafePool } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openPool } from './support/pools.ts'
import { errorOf, pass, useFakeTime } from './support/time.ts'

useFakeTime()

function complaintAbout(options: object): string {
  return complaintOf(() => createForkSafePool(new FakeDriver(), options as { connection: string }))
}

function complaintOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return (error as TypeError).message
  }
  throw new Error('It should have thrown.')
}

describe('an unknown option', () => {
  test.each([
    // mysql2
    ['connectionLimit', 'max'],
    ['queueLimit', 'maxWaitingClients'],
    ['waitForConnections', 'maxWaitingClients'],
    ['maxIdle', 'min'],
    ['idleTimeout', 'idleTimeoutMillis'],
    ['connectTimeout', 'createTimeoutMillis'],
    // pg
    ['connectionTimeoutMillis', 'acquireTimeoutMillis'],
    ['maxLifetimeSeconds', 'maxLifetimeMillis'],
    // generic-pool
    ['testOnBorrow', 'validateAfterIdleMillis'],
    ['evictionRunIntervalMillis', 'idleTimeoutMillis'],
    ['softIdleTimeoutMillis', 'idleTimeoutMillis'],
    ['autostart', 'eager'],
    // tarn and Knex
    ['reapIntervalMillis', 'idleTimeoutMillis'],
    ['createRetryIntervalMillis', 'backoff'],
    ['acquireConnectionTimeout', 'acquireTimeoutMillis'],
    // HikariCP
    ['maximumPoolSize', 'max'],
    ['minimumIdle', 'min'],
    ['connectionTimeout', 'acquireTimeoutMillis'],
    ['maxLifetime', 'maxLifetimeMillis'],
    ['keepaliveTime', 'keepaliveMillis'],
    ['leakDetectionThreshold', 'leakDetectionMillis'],
    ['poolName', 'name'],
    // other spellings, units and typing errors
    ['pool_size', 'max'],
    ['MAX', 'max'],
    ['maxx', 'max'],
    ['acquireTimeout', 'acquireTimeoutMillis'],
    ['acquireTimeoutMs', 'acquireTimeoutMillis'],
    ['aquireTimeoutMillis', 'acquireTimeoutMillis'],
    ['idleTimeoutMilis', 'idleTimeoutMillis'],
    ['maxWaitingClient', 'maxWaitingClients'],
    ['forkDetecton', 'forkDetection'],
    ['conection', 'connection'],
  ])('that another pool has is explained: %s', (option, meant) => {
    expect(complaintAbout({ [option]: 5 })).toContain(
      `there is no option \`${option}\` (got a number for it): did you mean \`${meant}\`? There are connection, `,
    )
  })

  test.each([
    'host',
    'port',
    'user',
    'username',
    'password',
    'database',
    'connectionString',
    'uri',
    'url',
    'ssl',
    'socketPath',
  ])("of the client's is sent to `connection`: %s", (option) => {
    expect(complaintAbout({ [option]: 'x' })).toContain('so put it in `connection`. There are')
  })

  test.each(['factor', 'zzz', 'constructor', 'somethingElse'])(
    'gets no wrong advice: %s',
    (option) => {
      expect(complaintAbout({ [option]: 5 })).toContain(
        `there is no option \`${option}\` (got a number for it). There are`,
      )
    },
  )

  test('of a method is explained too', async () => {
    const pool = openPool(new FakeDriver())
    const error = await errorOf(pool.acquire({ timeoutMs: 5 } as object))
    expect(error).toHaveProperty(
      'message',
      expect.stringContaining('did you mean `timeoutMillis`?'),
    )
  })

  test('that is no identifier is not shown', () => {
    const complaint = complaintAbout({ 'postgres://app:secret@db/app': 5 })
    expect(complaint).toContain('there is no option of that name (got a number for it)')
  })
})

test.each(['postgres://app:secret@db/app', new URL('postgres://app:secret@db/app')])(
  'a connection string in place of the options is sent to `connection`: %o',
  (connection) => {
    expect(complaintAbout(connection as object)).toContain('put it in `connection`.')
  },
)

describe('in place of the driver', () => {
  const driver = new FakeDriver()
  const create = (given: unknown): unknown => createForkSafePool(given as FakeDriver, {})

  test('a function that returns it must be called', () => {
    function pgDriverWith(): FakeDriver {
      return driver
    }
    const complaint = complaintOf(() => create(pgDriverWith))
    expect(complaint).toContain(
      'got a function: if it returns a driver, call `pgDriverWith({ … })`.',
    )
    expect(complaintOf(() => create(() => driver))).toContain('call it.')
  })

  test.each([
    ['a module', { fakeDriver: driver, other: 1, pool: {} }, 'pass its `fakeDriver`.'],
    ['a default export', { default: driver }, 'pass its `default`.'],
    [
      'a compiled module',
      Object.defineProperty({ __esModule: true }, 'fakeDriver', {
        enumerable: true,
        get: () => driver,
      }),
      'pass its `fakeDriver`.',
    ],
    ['a module without a driver', core, 'got a module: pass the driver that it exports.'],
  ])('%s is recognized', (_, given, advice) => {
    expect(complaintOf(() => create(given))).toContain(advice)
  })

  test('no getter of a foreign object is called', () => {
    const foreign = Object.defineProperty({}, 'native', {
      enumerable: true,
      get: () => expect.fail('called'),
    })
    expect(complaintOf(() => create(foreign))).toContain('got an object whose name is undefined')
  })
})

describe('`checkConnection` of a driver', () => {
  const checkConnection = (connection: unknown): void => {
    if (connection !== 'db') throw new TypeError('not the database')
  }
  const driverWithCheck = (): FakeDriver => Object.assign(new FakeDriver(), { checkConnection })

  test('is called when the pool is created', () => {
    const create = (connection: string): unknown =>
      createForkSafePool<object, unknown, object>(driverWithCheck(), { connection })
    expect(complaintOf(() => create('other'))).toBe('not the database')
    expect(create('db')).toBeInstanceOf(Object)
  })

  test('is called before each create with what a function returned', async () => {
    const driver = Object.assign(driverWithCheck(), { classify: () => 'fatal' as const })
    let connection = 'other'
    const pool = createForkSafePool<object, unknown, object>(driver, {
      connection: () => connection,
    })
    const error = await errorOf(pool.warmUp())
    expect(error).toMatchObject({ cause: { message: 'not the database' } })
    expect(driver.calls).toEqual([])
    connection = 'db'
    pool.recycle()
    await pool.use(() => 1)
  })
})

describe('an AcquireTimeoutError', () => {
  afterEach(() => expect.hasAssertions())

  async function timedOut(pool: ReturnType<typeof openPool>, timeoutMillis = 100): Promise<string> {
    const error = errorOf(pool.acquire({ timeoutMillis }))
    await pass(timeoutMillis + 1)
    expect(await error).toBeInstanceOf(AcquireTimeoutError)
    return ((await error) as Error).message
  }

  test.each(['after a create', 'from idle', 'from idle and not validated', 'from another holder'])(
    'says for how long every resource has been borrowed: %s',
    async (how) => {
      const validate = how.includes('not validated') ? { validateAfterIdleMillis: Infinity } : {}
      const pool = openPool(new FakeDriver({ hooks: ['validate'] }), { max: 2, ...validate })
      if (how.startsWith('from idle')) {
        await pool.use(() => pool.use(() => 1))
        await pass(400)
      }
      if (how === 'from another holder') {
        const first = await pool.acquire()
        await pool.acquire()
        await pass(10_000)
        const next = pool.acquire()
        first.release()
        const held = await next
        held.release()
        pool.recycle()
        await pool.acquire()
      } else await pool.acquire()
      await pass(300)
      if (how !== 'from another holder') await pool.acquire()
      const message = await timedOut(pool)
      const [, millis] =
        /Every resource is borrowed, the longest for at least (\d+) ms\./.exec(message) ?? []
      const real = how === 'from another holder' ? 10_401 : 401
      const least = how.includes('not validated') ? 100 : real - 2
      expect(Number(millis)).toBeGreaterThanOrEqual(least)
      expect(Number(millis)).toBeLessThanOrEqual(real + 1)
      expect(message).toMatch(/callback of a `use` or `transaction`/)
    },
  )

  test('says nothing of that if a resource is being opened', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { max: 1 })
    expect(await timedOut(pool)).not.toContain('borrowed, the longest')
  })

  test('explains a call of the pool in a callback of `use`', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const nested = errorOf(pool.use(() => pool.use(() => 1, { timeoutMillis: 50 })))
    await pass(60)
    expect(await nested).toHaveProperty(
      'message',
      expect.stringContaining('Then it waits for itself'),
    )
  })
})
