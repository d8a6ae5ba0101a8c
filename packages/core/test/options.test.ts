import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import { createForkSafePool, type Driver } from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { openPool } from './support/pools.ts'
import { errorOf, settled, useFakeTime } from './support/time.ts'

useFakeTime()

/** Returns the error of a pool for options that the types would reject. */
function complaintAbout(options: unknown): string {
  const driver = new FakeDriver()
  let complaint: unknown
  try {
    createForkSafePool(driver, options as { connection: string })
  } catch (error) {
    complaint = error
  }
  expect(complaint).toBeInstanceOf(TypeError)
  expect(driver.calls).toEqual([])
  return (complaint as TypeError).message
}

const wholeFrom = (least: number) => ({
  wrong: [least - 1, 1.5, Number.NaN, Infinity, '5', null, 2 ** 53],
  right: [least, least + 7],
  expected: `a whole number of at least ${least}`,
})
const wholeOrInfinity = (least: number) => ({
  wrong: [least - 1, 1.5, Number.NaN, -Infinity, '5', null, {}],
  right: [least, least + 7, Infinity],
  expected: `a whole number of at least ${least}, or Infinity`,
})
const millisFrom0 = {
  wrong: [-1, Number.NaN, '5', null, true, []],
  right: [0, 0.5, 1_000, Infinity],
  expected: 'a number of milliseconds of at least 0, or Infinity',
}
const millisAbove0 = {
  wrong: [0, -1, Number.NaN, '5', null, 5n, Symbol('s')],
  right: [0.5, 1_000, Infinity],
  expected: 'a number of milliseconds above 0, or Infinity',
}
const trueOrFalse = {
  wrong: [0, 1, 'true', null, {}],
  right: [true, false],
  expected: 'true or false',
}

const rules: Record<string, { wrong: unknown[]; right: unknown[]; expected: string }> = {
  name: {
    wrong: ['', 5, null, {}, () => 'x'],
    right: ['orders'],
    expected: 'a string of at least one character',
  },
  min: { ...wholeFrom(0), right: [0, 10] },
  eager: trueOrFalse,
  max: wholeFrom(1),
  maxWaitingClients: wholeOrInfinity(0),
  acquireTimeoutMillis: millisFrom0,
  createTimeoutMillis: millisAbove0,
  validateTimeoutMillis: millisAbove0,
  destroyTimeoutMillis: millisAbove0,
  idleTimeoutMillis: millisAbove0,
  maxLifetimeMillis: millisAbove0,
  maxUses: wholeOrInfinity(1),
  maxConnecting: wholeOrInfinity(1),
  validateAfterIdleMillis: millisFrom0,
  keepaliveMillis: millisFrom0,
  backoff: {
    wrong: [50, 'fast', null, [], new Map()],
    right: [{}, { minMillis: 1 }, { minMillis: 1, maxMillis: 1 }, { maxMillis: 100_000 }],
    expected: 'an object { minMillis?, maxMillis? }',
  },
  fifo: trueOrFalse,
  leakDetectionMillis: millisFrom0,
  allowExitOnIdle: trueOrFalse,
  forkDetection: {
    wrong: ['never', true, null, ''],
    right: ['always', 'once', 'hooks'],
    expected: "'always', 'once' or 'hooks'",
  },
}

/** Formats a value as error messages do for an option that takes numbers, booleans or words. */
function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return `${value} (${typeof value})`
  return kindOf(value)
}

/** The kind of a value, which is all that other error messages say of it. */
function kindOf(value: unknown): string {
  if (value === '') return 'an empty string'
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Map) return 'an instance of Map'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'function') return 'a function'
  return `a ${typeof value}`
}

class Options {
  get max() {
    return 5
  }
}

/** Objects that are not plain, and could be read differently than they are checked. */
const notPlain: [unknown, string][] = [
  [[], 'an array'],
  [new Map([['max', 5]]), 'an instance of Map'],
  [new Options(), 'an instance of Options'],
  [Object.create({ max: '5' }), 'an instance of Object'],
  [Object.create(Object.create(null)), 'an instance of a class'],
  [new AbortController().signal, 'an instance of AbortSignal'],
]

describe('an option', () => {
  const wrong = Object.entries(rules).flatMap(([option, { wrong, expected }]) =>
    wrong.map((value) => {
      const got = ['name', 'backoff'].includes(option) ? kindOf(value) : shown(value)
      return { option, value, expected, got }
    }),
  )
  test.each(wrong)('`$option` of $got is rejected', ({ option, value, expected, got }) => {
    const name = option === 'name' ? {} : { name: 'orders' }
    expect(complaintAbout({ connection: 'db', ...name, [option]: value })).toBe(
      `Pool "${option === 'name' ? 'fake' : 'orders'}": expected \`${option}\` to be ${expected}, got ${got}.`,
    )
  })

  const right = Object.entries(rules).flatMap(([option, { right }]) =>
    [...right, undefined].map((value) => ({ option, value })),
  )
  test.each(right)('`$option` may be $value', async ({ option, value }) => {
    const pool = createForkSafePool<FakeResource, unknown, object>(new FakeDriver(), {
      connection: 'db',
      [option]: value,
    })
    expect(await pool.use(({ id }) => id)).toBeGreaterThan(0)
    await pool.close()
  })

  test('that is unknown is rejected, with a list of the known ones', () => {
    const complaint = complaintAbout({ connection: 'db', idleTimeout: 5, name: 'orders' })
    expect(complaint).toContain('"orders"')
    expect(complaint).toContain('there is no option `idleTimeout` (got a number for it)')
    for (const option of ['connection', ...Object.keys(rules)]) expect(complaint).toContain(option)
  })

  test('that is unknown does not show its value, which may be a password', () => {
    const complaint = complaintAbout({
      connection: 'db',
      password: 'secret',
      passwords: ['secret'],
    })
    expect(complaint).toContain('there is no option `password` (got a string for it)')
    expect(complaint).not.toContain('secret')
  })

  test.each(['constructor', 'toString', '__proto__x', 'hasOwnProperty'])(
    'that is unknown is rejected even if every object has it: %s',
    (option) => {
      expect(complaintAbout({ [option]: 5 })).toContain(`there is no option \`${option}\``)
    },
  )

  test('that is undefined is treated as absent, even if it is unknown', async () => {
    const pool = createForkSafePool<FakeResource, unknown, object>(new FakeDriver(), {
      connection: 'db',
      max: undefined,
      min: undefined,
      name: undefined,
      backoff: { minMillis: undefined },
      ...({ tpyo: undefined } as object),
    })
    expect(pool.stats).toMatchObject({ name: 'fake', min: 0, max: 10 })
    await pool.close()
  })

  test('that is changed after the pool was created has no effect', async () => {
    const options = { connection: 'db', max: 1 }
    const pool = createForkSafePool<FakeResource, unknown, object>(new FakeDriver(), options)
    options.max = 5
    pool.resize({ max: 2 })
    expect(pool.stats.max).toBe(2)
    expect(options.max).toBe(5)
  })
})

describe('options that do not fit together', () => {
  test('are rejected: min above max', () => {
    expect(complaintAbout({ connection: 'db', min: 3, max: 2 })).toBe(
      'Pool "fake": expected `min` to be at most `max`, got 3 and 2.',
    )
    expect(complaintAbout({ connection: 'db', min: 11 })).toContain('got 11 and 10')
  })

  test('are rejected: a backoff with a minimum above its maximum', () => {
    expect(complaintAbout({ backoff: { minMillis: 100, maxMillis: 50 } })).toBe(
      'Pool "fake": expected `backoff.minMillis` to be at most `backoff.maxMillis`, got 100 and 50.',
    )
    expect(complaintAbout({ backoff: { minMillis: 6_000 } })).toContain('got 6000 and 5000')
  })

  test.each([0, -1, Infinity, Number.NaN, '50', null])(
    'are rejected: a backoff of %s',
    (millis) => {
      const complaint = complaintAbout({ backoff: { minMillis: millis } })
      expect(complaint).toContain('`backoff`')
      expect(complaint).toContain('`minMillis` to be a finite number of milliseconds above 0')
      expect(complaint).toContain(shown(millis))
    },
  )

  test('are rejected: a backoff with an unknown option', () => {
    expect(complaintAbout({ backoff: { factor: 2 } })).toContain('there is no option `factor`')
  })

  test.each([undefined, null, 5, 'max=5'])(
    'are rejected: %s in place of the options',
    (options) => {
      expect(complaintAbout(options)).toContain('expected a plain object of options')
    },
  )

  test.each(notPlain)('are rejected: %s in place of the options', (options, got) => {
    expect(complaintAbout(options)).toBe(
      `Pool "fake": expected a plain object of options, got ${got}.`,
    )
  })

  test('may have no prototype, or that of another realm', async () => {
    const given = { connection: 'db', max: 3 }
    for (const options of [
      Object.assign(Object.create(null), given),
      Object.assign(runInNewContext('({})'), given),
    ]) {
      const pool = createForkSafePool(new FakeDriver(), options)
      expect(pool.stats.max).toBe(3)
      await pool.close()
    }
  })
})

describe('a driver', () => {
  test.each([undefined, null, 5, 'pg', () => undefined])('is rejected if it is %s', (driver) => {
    expect(() => createForkSafePool(driver as never, {})).toThrow(TypeError)
    expect(() => createForkSafePool(driver as never, {})).toThrow(/driver.*`name`/)
  })

  test.each([undefined, '', 5])('is rejected with the name %s', (name) => {
    const driver = { name, create: () => ({}), destroy: () => undefined, discard: () => undefined }
    expect(() => createForkSafePool(driver as never, {})).toThrow(
      new TypeError(
        `Expected a driver with a \`name\` of at least one character, got an object whose name is ${kindOf(name)}.`,
      ),
    )
  })

  test.each(['create', 'destroy', 'discard'])('is rejected without %s', (hook) => {
    const hooks = { create: () => ({}), destroy: () => undefined, discard: () => undefined }
    const driver = { name: 'half', ...hooks, [hook]: undefined }
    expect(() => createForkSafePool(driver as never, {})).toThrow(
      `Driver "half": expected \`${hook}\` to be a function, got undefined.`,
    )
  })

  test.each(['validate', 'reset', 'watch', 'ref', 'unref', 'classify', 'methods'])(
    'is rejected if its %s is not a function',
    (hook) => {
      const driver = Object.assign(new FakeDriver(), { [hook]: 'yes' })
      expect(() => createForkSafePool(driver as never, { connection: 'db' })).toThrow(TypeError)
    },
  )

  test('may be an instance of a class, and its hooks are called as methods', async () => {
    class Server implements Driver<{ of: Server }> {
      readonly name = 'server'
      async create() {
        return { of: this }
      }
      destroy() {
        expect(this).toBeInstanceOf(Server)
      }
      discard() {
        expect(this).toBeInstanceOf(Server)
      }
    }
    const server = new Server()
    const driver: Driver<{ of: Server }> = server
    const pool = createForkSafePool(driver, {})
    expect(await pool.use(({ of }) => of)).toBe(server)
    await pool.close()
  })
})

describe("a driver's methods", () => {
  test('are on the pool', async () => {
    const driver = Object.assign(new FakeDriver(), {
      methods: (pool: { use<T>(work: (resource: FakeResource) => T): Promise<T> }) => ({
        id: () => pool.use(({ id }) => id),
      }),
    })
    const pool = createForkSafePool(driver, { connection: 'db' })
    expect(await pool.id()).toBe(1)
  })

  test.each([
    'acquire',
    'use',
    'stats',
    'close',
    'on',
    'toString',
    'constructor',
    Symbol.asyncDispose,
  ])('may not hide what the pool has: %s', async (method) => {
    const driver = Object.assign(new FakeDriver(), {
      methods: () => ({ [method]: () => undefined }),
    })
    expect(() => createForkSafePool(driver, { connection: 'db', name: 'orders', min: 1 })).toThrow(
      new TypeError(
        `Pool "orders": the driver cannot add the method \`${String(method)}\`: that name is taken.`,
      ),
    )
    await settled()
    expect(driver.calls).toEqual([])
  })

  test.each([undefined, {}, Object.create(null)])('may be empty: %o', (methods) => {
    const driver = Object.assign(new FakeDriver(), { methods: () => methods })
    const without = createForkSafePool(new FakeDriver(), { connection: 'db' })
    const pool = createForkSafePool(driver as never, { connection: 'db' })
    expect(Object.keys(pool)).toEqual(Object.keys(without))
  })

  test.each([
    [5, 'a number'],
    ['abc', 'a string'],
    [null, 'null'],
    [[], 'an array'],
    [() => undefined, 'a function'],
    [Promise.resolve({}), 'an instance of Promise'],
    [new FakeDriver(), 'an instance of FakeDriver'],
  ])('are a plain object: %o is refused', (returned, got) => {
    const driver = Object.assign(new FakeDriver(), { methods: () => returned })
    expect(() => createForkSafePool(driver as never, { connection: 'db' })).toThrow(
      new TypeError(`Driver "fake": expected \`methods\` to return a plain object, got ${got}.`),
    )
  })

  test('may not be `then`', () => {
    // oxlint-disable-next-line unicorn/no-thenable -- this must be rejected
    const methods = (): object => ({ then: () => undefined })
    const driver = Object.assign(new FakeDriver(), { methods })
    expect(() => createForkSafePool(driver, { connection: 'db', name: 'orders' })).toThrow(
      new TypeError('Pool "orders": the driver cannot add the method `then`: that name is taken.'),
    )
  })

  test('that throw do not leave a pool behind that opens resources', async () => {
    const driver = Object.assign(new FakeDriver(), {
      methods: () => {
        throw new Error('no methods today')
      },
    })
    expect(() => createForkSafePool(driver, { connection: 'db', min: 1 })).toThrow(
      'no methods today',
    )
    await settled()
    expect(driver.calls).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('are requested once', () => {
    const methods = vi.fn<() => object>(() => ({}))
    createForkSafePool(Object.assign(new FakeDriver(), { methods }), { connection: 'db' })
    expect(methods).toHaveBeenCalledOnce()
  })
})

describe('the arguments of a method', () => {
  const acquireWrongs: [string, unknown, string][] = [
    ['signal', {}, 'an AbortSignal'],
    ['signal', null, 'an AbortSignal'],
    ['timeoutMillis', -1, 'a number of milliseconds of at least 0, or Infinity'],
    ['timeoutMillis', '50', 'a number of milliseconds of at least 0, or Infinity'],
    ['timeoutMillis', Number.NaN, 'a number of milliseconds of at least 0, or Infinity'],
    ['priority', 'high', 'a number'],
    ['priority', Number.NaN, 'a number'],
  ]
  test.each(acquireWrongs)('acquire rejects %s of %o', async (option, value, expected) => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { name: 'orders' })
    for (const promise of [
      pool.acquire({ [option]: value }),
      pool.use(() => 1, { [option]: value }),
    ]) {
      const error = await errorOf(promise)
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject({
        message: `Pool "orders", \`acquire\`: expected \`${option}\` to be ${expected}, got ${shown(value)}.`,
      })
    }
    expect(driver.calls).toEqual([])
    expect(pool.stats.waiting).toBe(0)
  })

  test.each([[null, 'null'], [5, 'a number'], ...notPlain])(
    'acquire, close, resize and warmUp reject %o in place of options',
    async (options, got) => {
      const pool = openPool(new FakeDriver())
      const refusals = [
        errorOf(pool.acquire(options as never)),
        errorOf(pool.close(options as never)),
        errorOf((async () => pool.resize(options as never))()),
        errorOf(pool.warmUp(options as never)),
      ]
      for (const [i, method] of ['acquire', 'close', 'resize', 'warmUp'].entries()) {
        const message = `Pool "fake", \`${method}\`: expected a plain object of options, got ${got}.`
        expect(await refusals[i]).toEqual(new TypeError(message))
      }
    },
  )

  test('acquire rejects an unknown option, and treats undefined as absent', async () => {
    const pool = openPool(new FakeDriver())
    const error = await errorOf(pool.acquire({ timeout: 50 } as never))
    expect(error).toMatchObject({ message: expect.stringContaining('no option `timeout`') })
    const lease = await pool.acquire({
      timeoutMillis: undefined,
      signal: undefined,
      priority: undefined,
    })
    expect(lease.resource.id).toBe(1)
  })

  test.each([
    { max: 0 },
    { min: -1 },
    { max: Infinity },
    { max: '5' },
    { size: 5 },
    { min: 11 },
    null,
    undefined,
    5,
  ])('resize refuses %o', (size) => {
    const pool = openPool(new FakeDriver(), { name: 'orders' })
    expect(() => pool.resize(size as never)).toThrow(TypeError)
    expect(() => pool.resize(size as never)).toThrow('"orders"')
    expect(pool.stats).toMatchObject({ min: 0, max: 10 })
  })

  test.each([{ deadlineMillis: -1 }, { deadlineMillis: 'soon' }, { deadline: 5 }, null, 5])(
    'close rejects %o, and the pool stays open',
    async (options) => {
      const pool = openPool(new FakeDriver(), { name: 'orders' })
      const error = await errorOf((async () => pool.close(options as never))())
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject({ message: expect.stringContaining('"orders"') })
      expect(await pool.use(({ id }) => id)).toBe(1)
      await pool.close({ deadlineMillis: undefined })
    },
  )

  test.each([
    [{ signal: {} }, 'Pool "fake", `warmUp`: expected `signal` to be an AbortSignal'],
    [{ timeoutMillis: 5 }, 'Pool "fake", `warmUp`: there is no option `timeoutMillis`'],
    [null, 'Pool "fake", `warmUp`: expected a plain object of options, got null'],
  ])('warmUp refuses %j', async (options, message) => {
    const pool = openPool(new FakeDriver(), { min: 1 })
    const error = await errorOf(pool.warmUp(options as never))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toContain(message)
  })
})
