import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { afterFork, createForkSafePool, type PoolEvents } from '../src/index.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { acquireMany, idOf, openIdle, openPool } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'
import { nextUncaught, uncaughtIn } from './support/uncaught.ts'

useFakeTime()

const subscriptions: [string, (message: unknown) => void][] = []
afterEach(() => {
  for (const [channel, listener] of subscriptions.splice(0)) unsubscribe(channel, listener)
})

/** Records the messages of a channel about one pool from now on. */
function messagesOf(channel: string, pool: string): unknown[] {
  const messages: unknown[] = []
  const listener = (message: unknown): void => {
    if ((message as { pool?: unknown }).pool === pool) messages.push(message)
  }
  subscribe(channel, listener)
  subscriptions.push([channel, listener])
  return messages
}

test('the source of identity is part of the stats, but not enumerable', () => {
  const { stats } = openPool(new FakeDriver(), { name: 'orders', max: 3 })
  expect(stats).toStrictEqual({
    name: 'orders',
    generation: 1,
    min: 0,
    max: 3,
    size: 0,
    idle: 0,
    borrowed: 0,
    shared: 0,
    inFlight: 0,
    waiting: 0,
    creating: 0,
    destroying: 0,
    acquired: 0,
    timedOut: 0,
    rejected: 0,
    created: 0,
    createFailures: 0,
    destroyed: {
      broken: 0,
      lost: 0,
      invalid: 0,
      reset: 0,
      idle: 0,
      lifetime: 0,
      uses: 0,
      trim: 0,
      resize: 0,
      retire: 0,
      recycle: 0,
      close: 0,
      late: 0,
      budget: 0,
    },
    discarded: 0,
    totalWaitMillis: 0,
    totalHoldMillis: 0,
    permits: 0,
    wanted: 0,
  })
  expect(stats.identity).toBeTypeOf('string')
})

describe('an event', () => {
  test('reports each create and its duration', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 40, outcome: 'pass' }
    const pool = openPool(driver)
    const created = vi.fn<(details: PoolEvents['create'][0]) => void>()
    pool.on('create', created)
    const lease = pool.acquire()
    await pass(40)
    await lease
    expect(created).toHaveBeenCalledExactlyOnceWith({
      id: expect.any(Number) as number,
      generation: 1,
      durationMillis: 40,
    })
  })

  test('reports each destroy with its reason, its duration, and the error if there was one', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = { afterMillis: 30, outcome: 'pass' }
    const pool = openPool(driver)
    const destroyed = vi.fn<(details: PoolEvents['destroy'][0]) => void>()
    pool.on('destroy', destroyed)
    const lease = await pool.acquire()
    lease.destroy()
    expect(destroyed).not.toHaveBeenCalled()
    await pass(30)
    expect(destroyed).toHaveBeenCalledExactlyOnceWith({
      id: lease.id,
      generation: 1,
      durationMillis: 30,
      reason: 'broken',
    })
  })

  test.each(['on', 'once', 'off'] as const)('that does not exist is rejected by %s()', (method) => {
    const pool = openPool(new FakeDriver(), { name: 'orders' })
    for (const [event, got] of [
      ['error', 'a string'],
      ['newListener', 'a string'],
      ['toString', 'a string'],
      [undefined, 'undefined'],
    ]) {
      expect(() => pool[method](event as never, () => undefined)).toThrow(
        new TypeError(
          `Pool "orders", \`${method}\`: expected the event to be one of create, createError, destroy, hookError, leak, processChange, close, got ${got}.`,
        ),
      )
    }
    expect(() => pool[method]('leak', 5 as never)).toThrow(
      new TypeError(
        `Pool "orders", \`${method}\`: expected the listener to be a function, got a number.`,
      ),
    )
  })

  test('is reported to once() once, and not to a removed listener', async () => {
    const pool = openPool(new FakeDriver())
    const always = vi.fn<() => void>()
    const once = vi.fn<() => void>()
    const never = vi.fn<() => void>()
    const neverOnce = vi.fn<() => void>()
    expect(pool.on('create', always)).toBe(pool)
    expect(pool.once('create', once)).toBe(pool)
    pool.on('create', never).once('create', neverOnce)
    expect(pool.off('create', never).off('create', neverOnce)).toBe(pool)
    await acquireMany(pool, 3)
    expect(always).toHaveBeenCalledTimes(3)
    expect(once).toHaveBeenCalledTimes(1)
    expect(never).not.toHaveBeenCalled()
    expect(neverOnce).not.toHaveBeenCalled()
  })

  test('of a failed create needs no listener: nothing is thrown without one', async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = openPool(driver)
    const error = errorOf(pool.acquire({ timeoutMillis: 10 }))
    await pass(11)
    expect(await error).toHaveProperty('code', 'FORKSAFE_ACQUIRE_TIMEOUT')
  })
})

describe('a listener that throws', () => {
  test.each([
    'create',
    'destroy',
    'createError',
    'hookError',
    'leak',
    'close',
    'processChange',
  ] as const)('at %s does not harm the pool, and is not swallowed', async (event) => {
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1, leakDetectionMillis: 100 })
    pool.once(event, () => {
      throw new Error(`my bug at ${event}`)
    })
    const uncaught = nextUncaught()

    if (event === 'createError') driver.plans.create = 'reject'
    if (event === 'hookError') driver.plans.watch = 'throw'
    const acquired = pool.acquire()
    await settled()
    driver.plans.create = 'pass'
    await pass(60)
    const lease = await acquired
    await pass(1_000)
    if (event === 'processChange') afterFork()
    else lease.destroy()
    const own = await pool.acquire()
    own.release()
    await pool.close()

    expect(await uncaught).toMatchObject({ message: `my bug at ${event}` })
    expect(pool.stats).toMatchObject({ size: 0, waiting: 0, borrowed: 0 })
    expect(driver.open).toEqual([])
  })
})

describe('a listener that uses the pool', () => {
  test.each(['create', 'destroy', 'createError'] as const)(
    'at %s is served like any other caller',
    async (event) => {
      const driver = new FakeDriver()
      const pool = openPool(driver, { max: 2 })
      const served: Promise<number>[] = []
      pool.once(event, () => served.push(pool.use(({ id }) => id)))
      if (event === 'createError') driver.plans.create = 'reject'
      const first = pool.use((_resource, lease) => lease.destroy())
      await settled()
      driver.plans.create = 'pass'
      await pass(1_000)
      await first
      expect(served).toHaveLength(1)
      expect(await served[0]).toBeGreaterThan(0)
      expect(pool.stats).toMatchObject({ borrowed: 0, waiting: 0, creating: 0, destroying: 0 })
    },
  )

  test.each(['create', 'destroy', 'createError'] as const)(
    'at %s can recycle or close it',
    async (event) => {
      for (const act of ['recycle', 'close'] as const) {
        const driver = new FakeDriver()
        const pool = openPool(driver, { max: 2 })
        pool.once(event, () => void pool[act]())
        if (event === 'createError') driver.plans.create = 'reject'
        const first = follow(pool.use((_resource, lease) => lease.destroy()))
        await settled()
        driver.plans.create = 'pass'
        await pass(60_000)
        expect(first.outcome.state).not.toBe('pending')
        await pool.close()
        expect(driver.open).toEqual([])
        for (const { destroys, discards } of driver.resources) expect(destroys + discards).toBe(1)
        expect(pool.stats).toMatchObject({ size: 0, waiting: 0 })
      }
    },
  )
})

describe('a diagnostics channel', () => {
  test('forksafe:create reports each create of every pool, by its name', async () => {
    const first = messagesOf('forksafe:create', 'first')
    const second = messagesOf('forksafe:create', 'second')
    const driver = new FakeDriver()
    await openPool(driver, { name: 'first' }).acquire()
    await acquireMany(openPool(driver, { name: 'second' }), 2)
    expect(first).toMatchObject([
      { pool: 'first', generation: 1, durationMillis: expect.any(Number) },
    ])
    expect(second).toHaveLength(2)
  })

  test('forksafe:create also reports failures', async () => {
    const messages = messagesOf('forksafe:create', 'failing')
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    follow(openPool(driver, { name: 'failing' }).acquire())
    await settled()
    expect(messages).toEqual([
      expect.objectContaining({
        pool: 'failing',
        error: expect.objectContaining({ message: 'create failed' }),
        kind: 'transient',
        failures: 1,
      }),
    ])
  })

  test('forksafe:destroy reports each destroy with its reason', async () => {
    const messages = messagesOf('forksafe:destroy', 'ending')
    const pool = openPool(new FakeDriver(), { name: 'ending' })
    await openIdle(pool, 1)
    await pool.close()
    expect(messages).toMatchObject([
      { pool: 'ending', generation: 1, durationMillis: expect.any(Number), reason: 'close' },
    ])
  })

  test('forksafe:discard reports each discard, and forksafe:processChange the change', async () => {
    const discards = messagesOf('forksafe:discard', 'forked')
    const changes = messagesOf('forksafe:processChange', 'forked')
    await openIdle(openPool(new FakeDriver(), { name: 'forked' }), 2)
    afterFork()
    expect(discards).toMatchObject([
      { pool: 'forked', generation: 1 },
      { pool: 'forked', generation: 1 },
    ])
    expect(changes).toMatchObject([
      {
        pool: 'forked',
        reason: 'fork',
        incarnation: expect.any(Number) as number,
        generation: 2,
        discarded: 2,
      },
    ])
  })

  test('forksafe:acquire reports each acquire and its duration', async () => {
    const driver = new FakeDriver()
    driver.plans.create = { afterMillis: 25, outcome: 'pass' }
    const pool = openPool(driver, { name: 'watched', max: 1 })
    const messages = messagesOf('forksafe:acquire', 'watched')
    const waiting = pool.acquire()
    await pass(25)
    const lease = await waiting
    lease.release()
    await pool.use(() => 1)
    const { id } = lease
    expect(messages).toMatchObject([
      { pool: 'watched', driver: 'fake', id, generation: 1, durationMillis: 25, waited: true },
      { pool: 'watched', driver: 'fake', id, generation: 1, durationMillis: 0, waited: false },
    ])
  })

  test('forksafe:acquire reports each failed acquire', async () => {
    const pool = openPool(new FakeDriver(), { name: 'busy', max: 1 })
    await pool.acquire()
    const messages = messagesOf('forksafe:acquire', 'busy')
    const late = errorOf(pool.acquire({ timeoutMillis: 10 }))
    await pass(11)
    const error = await late
    expect(messages).toMatchObject([
      { pool: 'busy', durationMillis: expect.any(Number), waited: true, error },
    ])
  })

  test('with a subscriber that throws does not affect the pool', async () => {
    const listener = (): void => {
      throw new Error('a bad exporter')
    }
    for (const channel of ['forksafe:acquire', 'forksafe:create', 'forksafe:destroy']) {
      subscribe(channel, listener)
      subscriptions.push([channel, listener])
    }
    const driver = new FakeDriver()
    const pool = openPool(driver, { max: 1 })
    const uncaught = await uncaughtIn(async () => {
      expect(await idOf(pool.acquire())).toBe(1)
      driver.resource(1).lose()
      expect(await idOf(pool.acquire())).toBe(2)
    })
    // Two acquires, two creates and one destroy.
    expect(uncaught).toHaveLength(5)
    expect(uncaught[0]).toMatchObject({ message: 'a bad exporter' })
    expect(pool.stats).toMatchObject({ size: 1, borrowed: 1 })
  })
})

describe('the async context', () => {
  const context = new AsyncLocalStorage<string>()

  test('of a caller is not visible to any hook', async () => {
    const driver = new FakeDriver({
      hooks: ['watch', 'validate', 'reset', 'ref', 'unref', 'classify'],
    })
    const seen = new Map<string, Set<string | undefined>>()
    driver.onCall = (hook) => {
      const stores = seen.get(hook) ?? new Set()
      seen.set(hook, stores.add(context.getStore()))
    }
    let asked: string | undefined
    const pool = createForkSafePool<FakeResource, unknown, object>(driver, {
      connection: () => {
        asked = context.getStore()
        return 'db'
      },
      validateAfterIdleMillis: 0,
    })
    await context.run('request', async () => {
      await openIdle(pool, 1)
      await settled()
      const lease = await pool.acquire()
      lease.destroy()
      await settled()
      driver.plans.create = 'reject'
      const failing = errorOf(pool.acquire({ timeoutMillis: 10 }))
      await pass(11)
      await failing
      driver.plans.create = 'pass'
      await pass(5_000)
      await pool.acquire()
      afterFork()
    })
    expect(asked).toBeUndefined()
    expect(Object.fromEntries(seen)).toEqual({
      create: new Set([undefined]),
      watch: new Set([undefined]),
      validate: new Set([undefined]),
      reset: new Set([undefined]),
      destroy: new Set([undefined]),
      discard: new Set([undefined]),
      ref: new Set([undefined]),
      unref: new Set([undefined]),
      classify: new Set([undefined]),
    })
  })

  test('of a caller is preserved after acquire, and in and after use, also when another caller opened or released the resource', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    const requests = ['a', 'b', 'c', 'd'].map((request) =>
      context.run(request, async () => {
        const lease = await pool.acquire()
        const afterAcquire = context.getStore()
        await settled()
        lease.release()
        const inUse = await pool.use(() => context.getStore())
        return [request, afterAcquire, inUse, context.getStore()]
      }),
    )
    for (const [request, ...seen] of await Promise.all(requests)) {
      expect(seen).toEqual([request, request, request])
    }
  })

  test('of a caller is preserved after a wait that ends in an error', async () => {
    const pool = openPool(new FakeDriver(), { max: 1 })
    await pool.acquire()
    const seen = context.run('late', async () => {
      await pool.acquire({ timeoutMillis: 10 }).catch(() => undefined)
      return context.getStore()
    })
    await pass(11)
    expect(await seen).toBe('late')
  })
})
