import { channel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createForkSafePool, type ForkSafePool, type PoolEvents } from '../src/index.ts'
import { createPool } from '../src/generic-pool/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openPool } from './support/pools.ts'
import { errorOf } from './support/time.ts'

const SECRET = 'hunter2-3c1f'
const url = `postgres://app:${SECRET}@db.example/app`
const configuration = { host: 'db.example', user: 'app', password: SECRET }

class Options {
  readonly password = SECRET
}

/** Values that contain the secret, of each kind. */
const values: readonly unknown[] = [
  url,
  new URL(url),
  configuration,
  [url],
  new Options(),
  new Map([[url, url]]),
  new Set([url]),
  Symbol(url),
  Buffer.from(url),
  Object.assign(() => undefined, { password: SECRET }),
  Object.defineProperty(() => undefined, 'name', { value: url }),
  { toString: () => url },
  { [Symbol.toStringTag]: url, other: 1 },
  { [inspect.custom]: () => url, other: 1 },
  { constructor: { name: url } },
  Object.create({ constructor: { name: url } }),
  { name: 'app', create: url },
  { [url]: 1 },
  { [url]: url },
]

const channels = ['acquire', 'create', 'destroy', 'discard', 'processChange'].map((name) =>
  channel(`forksafe:${name}`),
)
/** Everything that was published. */
let seen: unknown[]
const see = (message: unknown): void => void seen.push(message)

beforeEach(() => {
  seen = []
  for (const each of channels) each.subscribe(see)
})
afterEach(() => {
  for (const each of channels) each.unsubscribe(see)
})

/** Fails if the secret is visible in a value, or in an error that is printed. */
function expectNoSecret(value: unknown): void {
  const { message, stack } = Object(value) as {
    readonly message?: unknown
    readonly stack?: unknown
  }
  const shown = [
    String(message),
    String(stack),
    inspect(value, { depth: 20 }),
    JSON.stringify(value),
  ]
  for (const text of shown) expect(text ?? '').not.toContain(SECRET)
}

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

function follow(pool: ForkSafePool<never>): void {
  const events: readonly (keyof PoolEvents)[] = [
    'create',
    'createError',
    'destroy',
    'hookError',
    'leak',
  ]
  for (const event of events) pool.on(event, (...details: unknown[]) => void seen.push(details))
}

describe.each(values)('%#: no secret is visible', (value) => {
  test('if it is passed as the driver, the options or an option', () => {
    const create = createForkSafePool as (driver: unknown, options: unknown) => unknown
    const errors = [() => create(value, {}), () => create(value, value)]
    for (const run of errors) expectNoSecret(thrownBy(run) ?? expect.fail('accepted'))
    const driver = (): FakeDriver => new FakeDriver()
    expectNoSecret(thrownBy(() => create(driver(), value)))
    const options = `min eager max maxConnecting maxWaitingClients acquireTimeoutMillis createTimeoutMillis
      validateTimeoutMillis destroyTimeoutMillis idleTimeoutMillis maxLifetimeMillis maxUses validateAfterIdleMillis
      keepaliveMillis backoff fifo leakDetectionMillis allowExitOnIdle forkDetection unknown password`
    for (const option of options.trim().split(/\s+/)) {
      expectNoSecret(thrownBy(() => create(driver(), { connection: url, [option]: value })))
    }
    for (const hook of ['create', 'destroy', 'discard', 'reset', 'validate', 'methods']) {
      expectNoSecret(thrownBy(() => create(Object.assign(driver(), { [hook]: value }), {})))
    }
    expectNoSecret(thrownBy(() => create(Object.assign(driver(), { methods: () => value }), {})))
  })

  test('if it is an argument of a method', async () => {
    const pool = openPool(new FakeDriver())
    follow(pool as unknown as ForkSafePool<never>)
    const call = pool as unknown as Record<string, (...values: unknown[]) => unknown>
    const options = [
      'signal',
      'timeoutMillis',
      'priority',
      'leakDetectionMillis',
      'min',
      'max',
      'deadlineMillis',
    ]
    const given = [value, ...options.map((option) => ({ [option]: value }))]
    for (const method of [
      'acquire',
      'warmUp',
      'resize',
      'trim',
      'use',
      'on',
      'once',
      'off',
      'close',
    ]) {
      for (const argument of given) {
        // A function is the work of `use`.
        if (method === 'use' && typeof argument === 'function') continue
        const run = async (): Promise<unknown> => call[method]?.(argument)
        expectNoSecret(await errorOf(run()))
      }
    }
    for (const argument of given) {
      expectNoSecret(await errorOf((async () => call['use']?.(() => 1, argument))()))
      if (typeof argument === 'function') continue
      expectNoSecret(thrownBy(() => call['on']?.('leak', argument)))
    }
    await pool.close()
    expect(seen.length).toBeGreaterThan(0)
    for (const message of seen) expectNoSecret(message)
  })

  test('if a driver rejects with it', async () => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- drivers do
    const reject = (): Promise<never> => Promise.reject(value)
    for (const kind of ['fatal', 'transient', 'full', 'single'] as const) {
      const driver = Object.assign(new FakeDriver(), { create: reject, classify: () => kind })
      const pool = openPool(driver)
      follow(pool as unknown as ForkSafePool<never>)
      for (const error of [
        await errorOf(pool.acquire({ timeoutMillis: 20 })),
        await errorOf(pool.warmUp()),
      ]) {
        expectNoSecret(error)
        // The program itself still has it.
        expect((error as Error).cause).toBe(value)
      }
      await pool.close()
    }
    const failing = { validate: reject, reset: reject, destroy: reject }
    const pool = openPool(Object.assign(new FakeDriver(), failing), { validateAfterIdleMillis: 0 })
    follow(pool as unknown as ForkSafePool<never>)
    const lease = await pool.acquire()
    lease.release()
    ;(await pool.acquire()).destroy(value as Error)
    await pool.close()
    expect(seen).toContainEqual([
      expect.objectContaining({ hook: 'reset', error: expect.any(Error) }),
    ])
    for (const message of seen) expectNoSecret(message)
  })

  test('if a driver returns it in place of a resource or of a kind of failure', async () => {
    if (typeof value === 'object' || typeof value === 'function') return
    const create = Object.assign(new FakeDriver(), { create: () => value, classify: () => 'fatal' })
    expectNoSecret(await errorOf(openPool(create).acquire()))
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(Object.assign(driver, { classify: () => value as 'fatal' }))
    follow(pool as unknown as ForkSafePool<never>)
    expectNoSecret(await errorOf(pool.acquire({ timeoutMillis: 20 })))
    await pool.close()
    for (const message of seen) expectNoSecret(message)
  })

  test("if it is an argument of generic-pool's", () => {
    const factory = { create: () => ({}), destroy: () => undefined }
    const run = createPool as (...values: unknown[]) => unknown
    expectNoSecret(thrownBy(() => run(value)))
    for (const hook of ['create', 'destroy', 'reset', 'validate']) {
      expectNoSecret(thrownBy(() => run({ ...factory, [hook]: value })))
    }
    for (const option of ['acquireTimeoutMillis', 'destroyTimeoutMillis', 'maxUses', 'backoff']) {
      expectNoSecret(thrownBy(() => run(factory, { [option]: value })))
    }
  })
})

test('nothing that a pool gives away shows its connection', async () => {
  for (const connection of [url, configuration, () => configuration, new URL(url)]) {
    const pool = createForkSafePool<object, unknown, object>(new FakeDriver(), { connection })
    const lease = await pool.acquire()
    for (const shown of [pool, lease, pool.stats]) {
      expect(inspect(shown, { depth: 0 })).not.toContain(SECRET)
      expectNoSecret(shown)
    }
    lease.release()
    expectNoSecret(thrownBy(() => lease.resource))
    await pool.close()
  }
})
