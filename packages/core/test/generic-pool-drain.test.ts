import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import { createPool, type Factory, type Options } from '../src/generic-pool/index.ts'
import { afterFork } from '../src/index.ts'
import { numbersOf, sleep, type Thing, ThingFactory } from './support/generic-pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

// `drain` and `clear` settle and leave nothing open, whenever they are called.

useFakeTime()

let warn: MockInstance<typeof process.emitWarning>
beforeEach(() => {
  warn = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
})
afterEach(() => warn.mockRestore())

function open(hooks: Partial<Factory<Thing>> = {}, options: Options = {}) {
  const factory = Object.assign(new ThingFactory(), hooks)
  return { pool: createPool<Thing>(factory, options), factory }
}

const slowly = (valid: boolean) => (): Promise<boolean> => sleep(50).then(() => valid)
const failing = (): Promise<never> => sleep(50).then(() => Promise.reject(new Error('mine')))
const hangs = (): Promise<never> => new Promise(() => undefined)

describe('drain() and clear() end a resource', () => {
  const returned: [string, Partial<Factory<Thing>>, Options, number][] = [
    ['while reset runs', { reset: () => sleep(50) }, {}, 50],
    ['while reset fails', { reset: failing }, {}, 50],
    ['while reset hangs', { reset: hangs }, {}, 10_000],
    ['while testOnReturn runs', { validate: slowly(true) }, { testOnReturn: true }, 50],
    ['while testOnReturn says no', { validate: slowly(false) }, { testOnReturn: true }, 50],
    ['while testOnReturn fails', { validate: failing }, { testOnReturn: true }, 50],
    ['while testOnReturn hangs', { validate: hangs }, { testOnReturn: true }, 10_000],
    [
      'while one follows the other',
      { reset: () => sleep(50), validate: slowly(true) },
      { testOnReturn: true },
      100,
    ],
  ]
  test.each(returned)('%s', async (_, hooks, options, millis) => {
    const { pool, factory } = open(hooks, options)
    await pool.release(await pool.acquire())
    const ended = follow(pool.drain().then(() => pool.clear()))
    await settled()
    expect(ended.outcome.state).toBe('pending')
    await pass(millis)
    expect(ended.outcome.state).toBe('fulfilled')
    expect(factory.destroyed).toEqual([1])
    expect(numbersOf(pool as never)).toMatchObject({ size: 0, available: 0 })
  })

  test.each([true, false])('while testOnBorrow runs (and returns %s)', async (valid) => {
    const { pool, factory } = open({ validate: slowly(valid) }, { testOnBorrow: true, max: 3 })
    const things = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    for (const thing of things) await pool.release(thing)
    const next = pool.acquire().then((thing) => pool.release(thing))
    const ended = follow(pool.drain().then(() => pool.clear()))
    await pass(1_000)
    await next
    expect(ended.outcome.state).toBe('fulfilled')
    expect(factory.destroyed).toEqual(factory.things.map(({ id }) => id))
  })

  test('while testOnBorrow runs for a caller that has timed out', async () => {
    const options = { testOnBorrow: true, acquireTimeoutMillis: 20 }
    const { pool, factory } = open({ validate: slowly(true) }, options)
    await pool.release(await pool.acquire())
    const late = errorOf(pool.acquire())
    await pass(30)
    await late
    const ended = follow(pool.drain().then(() => pool.clear()))
    await pass(50)
    expect(ended.outcome.state).toBe('fulfilled')
    expect(factory.destroyed).toEqual([1])
  })

  test('while it is being opened', async () => {
    const { pool, factory } = open(
      { create: () => sleep(50).then(() => factory.make()) },
      { min: 1 },
    )
    const ended = follow(pool.drain().then(() => pool.clear()))
    await pass(50)
    expect(ended.outcome.state).toBe('fulfilled')
    expect(factory.destroyed).toEqual(factory.things.map(({ id }) => id))
  })

  test('that is being destroyed, and wait for it', async () => {
    const { pool } = open({ destroy: () => sleep(50) })
    await pool.destroy(await pool.acquire())
    const ended = follow(pool.drain().then(() => pool.clear()))
    await settled()
    expect(ended.outcome.state).toBe('pending')
    await pass(50)
    expect(ended.outcome.state).toBe('fulfilled')
  })

  test('but not in a child, where the test belongs to the parent', async () => {
    const { pool, factory } = open({ reset: () => sleep(5_000), discard: () => undefined })
    await pool.release(await pool.acquire())
    const before = follow(pool.drain().then(() => pool.clear()))
    await settled()
    afterFork()
    const after = follow(pool.clear())
    await settled()
    await settled()
    expect([before.outcome.state, after.outcome.state]).toEqual(['fulfilled', 'fulfilled'])
    expect(factory.destroyed).toEqual([])
  })
})

test('clear() of a busy pool settles', async () => {
  const { pool } = open({ reset: () => sleep(10) }, { max: 2 })
  const users = new AbortController()
  const use = async (): Promise<void> => {
    while (!users.signal.aborted) await pool.use(async () => undefined)
  }
  const uses = [use(), use(), use()]
  await pass(25)
  const cleared = follow(pool.clear())
  await pass(100)
  expect(cleared.outcome.state).toBe('fulfilled')
  users.abort()
  await pass(100)
  await Promise.all(uses)
})

test('ready() before a start that never comes rejects when the pool drains', async () => {
  const { pool } = open({}, { min: 1, autostart: false })
  const ready = errorOf(pool.ready())
  await pool.drain()
  expect(await ready).toMatchObject({ message: 'pool is draining and cannot accept work' })
})

describe.each([
  ['an object', () => 'shared'],
  ['a number', () => 7],
  ['undefined', () => undefined],
] as [string, () => unknown][])('a create that gives the same value again: %s', (what, make) => {
  const shared = what === 'an object' ? { value: make() } : make()

  function openShared(max = 2) {
    const destroyed: unknown[] = []
    const factory: Factory<unknown> = {
      create: async () => shared,
      destroy: async (value) => void destroyed.push(value),
      discard: () => undefined,
    }
    return { pool: createPool(factory, { max }), destroyed }
  }

  test('counts as another resource, and drain() settles', async () => {
    const { pool, destroyed } = openShared()
    const [one, two] = [await pool.acquire(), await pool.acquire()]
    expect(numbersOf(pool as never)).toMatchObject({ size: 2, borrowed: 2 })
    await pool.release(one)
    expect(pool.isBorrowedResource(two)).toBe(true)
    const ended = follow(pool.drain().then(() => pool.clear()))
    await settled()
    expect(ended.outcome.state).toBe('pending')
    await pool.release(two)
    await settled()
    await settled()
    expect(ended.outcome.state).toBe('fulfilled')
    expect(destroyed).toEqual([shared, shared])
    expect(await errorOf(pool.release(one))).toMatchObject({
      message: 'Resource not currently part of this pool',
    })
  })

  test('and destroy() ends one of them, borrowed or idle', async () => {
    const { pool, destroyed } = openShared()
    const [one, two] = [await pool.acquire(), await pool.acquire()]
    await pool.destroy(one)
    expect([destroyed.length, pool.size, pool.borrowed]).toEqual([1, 1, 1])
    const three = await pool.acquire()
    await pool.release(two)
    await pool.release(three)
    await pool.destroy(one)
    expect([destroyed.length, pool.size, pool.available]).toEqual([2, 1, 1])
  })

  test('and several concurrent use() calls release their own', async () => {
    const { pool, destroyed } = openShared(3)
    await Promise.all([1, 2, 3, 4, 5].map(() => pool.use(() => sleep(0))).concat(pass(10)))
    await pool.drain()
    await pool.clear()
    expect([pool.size, destroyed.length]).toEqual([0, 3])
  })

  test('and in a child, none of them counts as borrowed', async () => {
    const { pool } = openShared()
    await Promise.all([pool.acquire(), pool.acquire()])
    afterFork()
    expect(pool.isBorrowedResource(shared)).toBe(false)
    await pool.drain()
    expect(pool.size).toBe(0)
  })
})
