import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  type AllOptions,
  type AnyPool,
  libraries,
  numbersOf,
  sleep,
  type Thing,
  ThingFactory,
} from './support/generic-pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

// The same tests for generic-pool and for its drop-in replacement.

useFakeTime()

describe.each(libraries)('%s', (_, { createPool, DefaultEvictor, Pool, ...queues }) => {
  const open = (
    options?: AllOptions,
    factory = new ThingFactory(),
  ): { pool: AnyPool<Thing>; factory: ThingFactory } => ({
    pool: createPool(factory, options),
    factory,
  })
  const idsOf = async (things: Promise<Thing>[]): Promise<number[]> =>
    (await Promise.all(things)).map(({ id }) => id)

  describe('createPool', () => {
    test('creates an EventEmitter of the class Pool, with a `max` of 1 and a `min` of 0', () => {
      const { pool } = open()
      expect(pool).toBeInstanceOf(EventEmitter)
      expect(pool).toBeInstanceOf(Pool)
      expect(pool).toMatchObject({ max: 1, min: 0 })
      expect(numbersOf(pool)).toEqual({ size: 0, available: 0, borrowed: 0, pending: 0, spare: 1 })
    })

    test.each([
      [
        { max: '3', min: '2' },
        { max: 3, min: 2 },
      ],
      [
        { max: 2.9, min: 1.9 },
        { max: 2, min: 1 },
      ],
      [
        { max: [], min: 'asf' },
        { max: 1, min: 0 },
      ],
      [{ max: 0 }, { max: 1, min: 0 }],
      [{ max: Infinity }, { max: 1, min: 0 }],
      [
        { max: 3, min: 5 },
        { max: 3, min: 3 },
      ],
      [
        { max: 3, min: -5 },
        { max: 3, min: -5 },
      ],
      [null, { max: 1, min: 0 }],
      [
        { max: 2, of: 'no meaning', log: false },
        { max: 2, min: 0 },
      ],
    ])('reads %o as %o', (options, size) => {
      expect(createPool(new ThingFactory(), options as object)).toMatchObject(size)
    })

    test.each(['create', 'destroy', 'validate'])(
      'refuses a factory whose `%s` is no function',
      (hook) => {
        const factory = Object.assign(new ThingFactory(), { [hook]: 'no function' })
        expect(() => createPool(factory)).toThrow(TypeError)
        expect(() => createPool(factory)).toThrow(`factory.${hook} must be a function`)
      },
    )

    test('opens `min` at once', async () => {
      const { pool, factory } = open({ min: 3, max: 5 })
      expect(factory.creates).toBe(3)
      expect(numbersOf(pool)).toEqual({ size: 3, available: 0, borrowed: 0, pending: 0, spare: 2 })
      await settled()
      expect(pool.available).toBe(3)
    })

    test('opens nothing before start() if `autostart` is false', async () => {
      const { pool, factory } = open({ min: 2, max: 2, autostart: false })
      await pass(1_000)
      expect(factory.creates).toBe(0)
      pool.start()
      pool.start()
      expect(factory.creates).toBe(2)
    })

    test('or before the first acquire', async () => {
      const { pool, factory } = open({ min: 2, max: 2, autostart: false })
      await pool.acquire()
      expect(factory.creates).toBe(2)
    })

    test('calls the functions of the factory as its methods, and `create` with nothing', async () => {
      const given: unknown[] = []
      const factory: object = {
        async create(...all: unknown[]) {
          given.push(this, all)
          return {}
        },
        async validate(...all: unknown[]) {
          given.push(this, all.length)
          return true
        },
        async destroy(...all: unknown[]) {
          given.push(this, all.length)
        },
      }
      const pool = createPool(factory as ThingFactory, { testOnBorrow: true })
      await pool.release(await pool.acquire())
      given.splice(2)
      await pool.destroy(await pool.acquire())
      expect(given).toEqual([factory, [], factory, 1, factory, 1])
      expect(given.map((of) => of === factory)).toEqual([true, false, true, false, true, false])
    })

    test('accepts functions that do not return a promise', async () => {
      const factory = { create: () => 'a resource', destroy: () => undefined, validate: () => true }
      const pool = createPool<string>(factory as never, { testOnBorrow: true })
      expect(await pool.acquire()).toBe('a resource')
      await pool.release('a resource')
      expect(await pool.acquire()).toBe('a resource')
      expect(pool.isBorrowedResource('a resource')).toBe(true)
      await pool.destroy('a resource')
      await settled()
      expect(pool.size).toBe(0)
    })

    test('returns promises of the class in the `Promise` option', async () => {
      class Mine<T> extends Promise<T> {}
      const { pool } = open({ Promise: Mine })
      const acquiring = pool.acquire()
      const promises = [
        acquiring,
        pool.release(await acquiring),
        pool.use(async () => 1),
        pool.ready(),
        pool.destroy({ id: 0, destroys: 0 }),
        pool.drain(),
        pool.clear(),
      ]
      expect(promises.map((promise) => promise instanceof Mine)).toEqual(promises.map(() => true))
      await Promise.allSettled(promises)
    })
  })

  describe('acquire', () => {
    test('opens a resource for each caller, up to `max`', async () => {
      const { pool } = open({ max: 2 })
      const things = [pool.acquire(), pool.acquire(), pool.acquire()]
      expect(numbersOf(pool)).toEqual({ size: 2, available: 0, borrowed: 0, pending: 3, spare: 0 })
      expect(await idsOf(things.slice(0, 2))).toEqual([1, 2])
      expect(numbersOf(pool)).toEqual({ size: 2, available: 0, borrowed: 2, pending: 1, spare: 0 })
    })

    test('makes further callers wait, in the order of the calls', async () => {
      const { pool } = open({ max: 1 })
      const served: number[] = []
      const callers = [1, 2, 3].map(async (caller) => {
        const thing = await pool.acquire()
        served.push(caller)
        await pool.release(thing)
      })
      await Promise.all(callers)
      expect(served).toEqual([1, 2, 3])
      expect(numbersOf(pool)).toEqual({ size: 1, available: 1, borrowed: 0, pending: 0, spare: 0 })
    })

    test.each([undefined, 'no', true, false])(
      'with `fifo` of %s lends first what came back first, or last',
      async (fifo) => {
        const { pool } = open({ max: 3, fifo } as object)
        const three = (): Promise<[Thing, Thing, Thing]> =>
          Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
        const [first, second, third] = await three()
        for (const thing of [first, second, third]) await pool.release(thing)
        const order = fifo === false ? [third, second, first] : [first, second, third]
        expect(await three()).toEqual(order)
      },
    )

    test.each([
      [3, [2, 1, 0, 0], [2, 3, 1, 0]],
      [3, [9, -1, 1, undefined], [3, 2, 0, 1]],
      [3, ['1', 1.9, 0.9, '0'], [2, 3, 0, 1]],
      ['2', [1, 0], [1, 0]],
      [undefined, [5, 0, 3], [0, 1, 2]],
      [0, [1, 0], [0, 1]],
    ])('with a `priorityRange` of %s serves priorities %j in the order %j', async (...given) => {
      const [priorityRange, priorities, order] = given
      const { pool } = open({ priorityRange } as object)
      const first = await pool.acquire()
      const served: number[] = []
      const callers = priorities.map(async (priority, caller) => {
        const thing = await pool.acquire(priority as number)
        served.push(caller)
        await pool.release(thing)
      })
      await pool.release(first)
      await Promise.all(callers)
      expect(served).toEqual(order)
    })

    test('rejects with a TimeoutError after `acquireTimeoutMillis`, and leaves the queue', async () => {
      const { pool } = open({ acquireTimeoutMillis: '100' } as object)
      await pool.acquire()
      const error = errorOf(pool.acquire())
      await pass(99)
      expect(pool.pending).toBe(1)
      await pass(1)
      expect(await error).toBeInstanceOf(Error)
      expect(await error).toMatchObject({
        name: 'TimeoutError',
        message: 'ResourceRequest timed out',
      })
      expect(pool.pending).toBe(0)
    })

    test('waits without limit if there is no `acquireTimeoutMillis`', async () => {
      const { pool } = open({ acquireTimeoutMillis: 0 })
      const thing = await pool.acquire()
      const waiting = pool.acquire()
      await pass(86_400_000)
      await pool.release(thing)
      expect(await waiting).toBe(thing)
    })

    test.each([1, '1'])(
      'rejects a caller when %o are already waiting',
      async (maxWaitingClients) => {
        const { pool } = open({ maxWaitingClients } as object)
        const thing = await pool.acquire()
        const waiting = pool.acquire()
        expect(await errorOf(pool.acquire())).toMatchObject({
          message: 'max waitingClients count exceeded',
        })
        await pool.release(thing)
        expect(await waiting).toBe(thing)
      },
    )

    test('lets no caller wait if `maxWaitingClients` is 0, and all if it is not a number', async () => {
      const { pool } = open({ max: 2, maxWaitingClients: 0 })
      const [thing] = await Promise.all([pool.acquire(), pool.acquire()])
      await errorOf(pool.acquire())
      await pool.release(thing)
      expect(await pool.acquire()).toBe(thing)
      const { pool: open2 } = open({ maxWaitingClients: null } as object)
      const waiting = Array.from({ length: 50 }, () => open2.use(async () => 1))
      expect(await Promise.all(waiting)).toHaveLength(50)
    })

    test('retries a failed create, and emits an event each time', async () => {
      const factory = new ThingFactory()
      const { pool } = open({}, factory)
      const errors: unknown[] = []
      pool.on('factoryCreateError', (error) => errors.push(error))
      let failures = 3
      factory.create = async () => {
        if (failures-- > 0) throw new Error(`not yet: ${failures}`)
        return factory.make()
      }
      const acquiring = pool.acquire()
      await pass(1_000)
      expect((await acquiring).id).toBe(1)
      expect(errors).toMatchObject([2, 1, 0].map((left) => ({ message: `not yet: ${left}` })))
      expect(numbersOf(pool)).toMatchObject({ size: 1, borrowed: 1, pending: 0 })
    })

    test('emits what `create` rejected with, also if that is not an error', async () => {
      const factory = new ThingFactory()
      const { pool } = open({}, factory)
      const errors: unknown[] = []
      pool.on('factoryCreateError', (error) => errors.push(error))
      let failures = 1
      factory.create = async () => {
        // oxlint-disable-next-line typescript/only-throw-error -- factories do
        if (failures-- > 0) throw 'down'
        return factory.make()
      }
      const acquiring = pool.acquire()
      await pass(1_000)
      await acquiring
      expect(errors).toEqual(['down'])
    })
  })

  describe('release', () => {
    test('makes the resource available at once, or lends it to a waiting caller', async () => {
      const { pool } = open()
      const thing = await pool.acquire()
      const released = pool.release(thing)
      expect(numbersOf(pool)).toEqual({ size: 1, available: 1, borrowed: 0, pending: 0, spare: 0 })
      expect(await released).toBeUndefined()
      await pool.acquire()
      const next = pool.acquire()
      void pool.release(thing)
      expect(numbersOf(pool)).toEqual({ size: 1, available: 0, borrowed: 1, pending: 0, spare: 0 })
      expect(await next).toBe(thing)
    })

    test('rejects a resource that is not borrowed: a foreign one, or one released before', async () => {
      const { pool } = open()
      const thing = await pool.acquire()
      const message = 'Resource not currently part of this pool'
      expect(await errorOf(pool.release({ ...thing }))).toMatchObject({ message })
      await pool.release(thing)
      expect(await errorOf(pool.release(thing))).toMatchObject({ message })
      expect(pool.available).toBe(1)
    })

    test('cannot distinguish a second release from that of the next holder', async () => {
      const { pool } = open()
      const thing = await pool.acquire()
      await pool.release(thing)
      await pool.acquire()
      await pool.release(thing)
      expect(await pool.acquire()).toBe(thing)
    })
  })

  describe('destroy', () => {
    test('ends the resource, and opens another for a waiting caller', async () => {
      const { pool, factory } = open()
      const thing = await pool.acquire()
      const next = pool.acquire()
      expect(await pool.destroy(thing)).toBeUndefined()
      expect((await next).id).toBe(2)
      expect(factory.destroyed).toEqual([1])
    })

    test('opens another if fewer than `min` are left', async () => {
      const { pool } = open({ min: 2, max: 2 })
      await pool.destroy(await pool.acquire())
      await settled()
      expect(numbersOf(pool)).toEqual({ size: 2, available: 2, borrowed: 0, pending: 0, spare: 0 })
    })

    test('resolves without waiting for the end', async () => {
      const factory = new ThingFactory()
      factory.destroy = () => sleep(1_000)
      const { pool } = open({}, factory)
      await pool.destroy(await pool.acquire())
      expect(pool).toMatchObject({ size: 0, spareResourceCapacity: 1 })
    })

    test('rejects a resource that is not in this pool, or has already ended', async () => {
      const { pool, factory } = open()
      const thing = await pool.acquire()
      const message = 'Resource not currently part of this pool'
      expect(await errorOf(pool.destroy({ ...thing }))).toMatchObject({ message })
      await pool.destroy(thing)
      expect(await errorOf(pool.destroy(thing))).toMatchObject({ message })
      expect(await errorOf(pool.release(thing))).toMatchObject({ message })
      expect(factory.things).toEqual([{ id: 1, destroys: 1 }])
    })

    test('reports a failure by `factoryDestroyError`', async () => {
      const factory = new ThingFactory()
      factory.destroy = () => Promise.reject(new Error('already closed'))
      const { pool } = open({}, factory)
      const errors: unknown[] = []
      pool.on('factoryDestroyError', (error) => errors.push(error))
      await pool.destroy(await pool.acquire())
      await settled()
      expect(errors).toMatchObject([{ message: 'already closed' }])
      expect(pool.size).toBe(0)
    })

    test('reports a destroy that takes longer than `destroyTimeoutMillis`', async () => {
      const factory = new ThingFactory()
      factory.destroy = () => new Promise(() => undefined)
      const { pool } = open({ destroyTimeoutMillis: 100 }, factory)
      const errors: unknown[] = []
      pool.on('factoryDestroyError', (error) => errors.push(error))
      await pool.destroy(await pool.acquire())
      await pass(99)
      expect(errors).toEqual([])
      await pass(1)
      expect(errors).toMatchObject([{ message: 'destroy timed out' }])
    })
  })

  test('isBorrowedResource tells whether a resource is borrowed', async () => {
    const { pool } = open()
    const thing = await pool.acquire()
    expect(pool.isBorrowedResource(thing)).toBe(true)
    expect(pool.isBorrowedResource({ ...thing })).toBe(false)
    await pool.release(thing)
    expect(pool.isBorrowedResource(thing)).toBe(false)
    await pool.acquire()
    await pool.destroy(thing)
    expect(pool.isBorrowedResource(thing)).toBe(false)
  })

  describe('use', () => {
    test('returns the result of the work, and releases the resource', async () => {
      const { pool } = open()
      expect(await pool.use(async ({ id }) => `got ${id}`)).toBe('got 1')
      expect(numbersOf(pool)).toMatchObject({ size: 1, available: 1, borrowed: 0 })
    })

    test('ends the resource when the work rejects, and rejects with that error', async () => {
      const { pool, factory } = open()
      const error = new Error('no such row')
      expect(await errorOf(pool.use(() => Promise.reject(error)))).toBe(error)
      expect(factory.destroyed).toEqual([1])
    })

    test('takes a priority', async () => {
      const { pool } = open({ priorityRange: 2 })
      const served: string[] = []
      const thing = await pool.acquire()
      const uses = [
        pool.use(async () => served.push('low'), 1),
        pool.use(async () => served.push('high'), 0),
      ]
      await pool.release(thing)
      await Promise.all(uses)
      expect(served).toEqual(['high', 'low'])
    })

    test('calls `acquire`, `release` and `destroy` of a subclass, a patched pool or a tracer', async () => {
      const { pool } = open({ priorityRange: 2 })
      const calls: unknown[] = []
      for (const method of ['acquire', 'release', 'destroy'] as const) {
        const original = pool[method].bind(pool) as (given: unknown) => Promise<unknown>
        const traced = (given: unknown): Promise<unknown> => {
          calls.push([method, given])
          return original(given)
        }
        Object.assign(pool, { [method]: traced })
      }
      const thing = await pool.use(async (thing) => thing, 1)
      await errorOf(pool.use(() => Promise.reject(new Error('no such row'))))
      expect(calls).toEqual([
        ['acquire', 1],
        ['release', thing],
        ['acquire', undefined],
        ['destroy', thing],
      ])
      expect(numbersOf(pool)).toMatchObject({ size: 0, borrowed: 0 })
    })

    test('gives the work what an overridden `acquire` returns, and gives that back', async () => {
      const { pool } = open()
      const acquire = pool.acquire.bind(pool)
      const release = pool.release.bind(pool)
      const wrapped = new Map<Thing, Thing>()
      Object.assign(pool, {
        acquire: async () => {
          const thing = await acquire()
          const wrapper = { id: -thing.id, destroys: 0 }
          wrapped.set(wrapper, thing)
          return wrapper
        },
        release: (wrapper: Thing) => release(wrapped.get(wrapper) as Thing),
      })
      expect(await pool.use(async ({ id }) => id)).toBe(-1)
      expect(numbersOf(pool)).toMatchObject({ size: 1, available: 1, borrowed: 0 })
    })

    test('rejects like acquire', async () => {
      const { pool } = open()
      await pool.drain()
      expect(await errorOf(pool.use(async () => 1))).toMatchObject({ message: /draining/ as never })
    })
  })

  describe('testOnBorrow', () => {
    class Tested extends ThingFactory {
      readonly tests: number[] = []
      bad = 0
      validate(thing: Thing): Promise<boolean> {
        this.tests.push(thing.id)
        return Promise.resolve(thing.id !== this.bad)
      }
    }

    test('tests idle resources before lending them, and replaces those that fail', async () => {
      const factory = new Tested()
      const { pool } = open({ testOnBorrow: true }, factory)
      await pool.release(await pool.acquire())
      factory.tests.length = 0
      await pool.release(await pool.acquire())
      expect(factory.tests).toEqual([1])
      factory.bad = 1
      expect((await pool.acquire()).id).toBe(2)
      expect(factory.destroyed).toEqual([1])
    })

    test('tests a released resource for a waiting caller', async () => {
      const factory = new Tested()
      const { pool } = open({ testOnBorrow: true }, factory)
      const thing = await pool.acquire()
      const waiting = [pool.acquire(), pool.acquire()] as const
      factory.tests.length = 0
      await pool.release(thing)
      expect(await waiting[0]).toBe(thing)
      expect(factory.tests).toEqual([1])
      factory.bad = 1
      await pool.release(thing)
      expect((await waiting[1]).id).toBe(2)
      expect(factory.destroyed).toEqual([1])
    })

    test('treats only `false` as a failure', async () => {
      const factory = new Tested()
      factory.validate = (async () => undefined) as never
      const { pool } = open({ testOnBorrow: true }, factory)
      await pool.release(await pool.acquire())
      expect((await pool.acquire()).id).toBe(1)
    })

    test('is off by default', async () => {
      const factory = new Tested()
      const { pool } = open({ testOnBorrow: 'yes' } as object, factory)
      await pool.release(await pool.acquire())
      await pass(1_000)
      await pool.acquire()
      expect(factory.tests).toEqual([])
    })
  })

  describe('the evictor', () => {
    const openIdle = async (
      count: number,
      options: AllOptions,
    ): Promise<{ pool: AnyPool<Thing>; factory: ThingFactory }> => {
      const opened = open({ max: count, ...options })
      const things = await Promise.all(Array.from({ length: count }, () => opened.pool.acquire()))
      for (const thing of things) await opened.pool.release(thing)
      return opened
    }

    test('is off without `evictionRunIntervalMillis`', async () => {
      const { pool } = await openIdle(2, { idleTimeoutMillis: 10, softIdleTimeoutMillis: 5 })
      await pass(86_400_000)
      expect(pool.available).toBe(2)
    })

    test('ends resources that were idle for longer than `idleTimeoutMillis`, and refills `min`', async () => {
      const { pool, factory } = await openIdle(2, {
        min: 1,
        idleTimeoutMillis: 100,
        evictionRunIntervalMillis: 10,
      })
      await pass(50)
      expect(pool.available).toBe(2)
      await pass(70)
      expect(factory.destroyed).toEqual([1, 2])
      expect(pool.available).toBe(1)
    })

    test('has a default `idleTimeoutMillis` of 30 seconds', async () => {
      const { pool } = await openIdle(1, { evictionRunIntervalMillis: 1_000 })
      await pass(30_000)
      expect(pool.available).toBe(1)
      await pass(1_001)
      expect(pool.available).toBe(0)
    })

    test('ends resources that were idle for longer than `softIdleTimeoutMillis` while more than `min` are idle', async () => {
      const { pool, factory } = await openIdle(3, {
        min: 1,
        softIdleTimeoutMillis: 100,
        evictionRunIntervalMillis: 10,
      })
      await pass(1_000)
      expect(factory.destroyed).toEqual([1, 2])
      expect(pool.available).toBe(1)
    })

    test.each([
      [undefined, 3],
      [1, 1],
      [5, 5],
    ])('looks at %s resources at a time, which is %d', async (numTestsPerEvictionRun, count) => {
      const { factory } = await openIdle(6, {
        idleTimeoutMillis: 5,
        evictionRunIntervalMillis: 100,
        numTestsPerEvictionRun,
      } as object)
      await pass(101)
      expect(factory.destroyed).toHaveLength(count)
    })

    test('ignores borrowed resources', async () => {
      const { pool, factory } = await openIdle(2, {
        idleTimeoutMillis: 10,
        evictionRunIntervalMillis: 10,
      })
      const lent = await pool.acquire()
      await pass(100)
      expect(factory.destroyed).toEqual([2])
      await pool.release(lent)
      await pass(100)
      expect(factory.destroyed).toEqual([1, 2])
    })

    test('can be a custom one, which receives the idle resources in turn', async () => {
      const seen: unknown[] = []
      class Mine extends DefaultEvictor {
        override evict(config: unknown, pooled: { obj: Thing; state: string }, available: number) {
          seen.push([config, pooled.obj.id, pooled.state, available])
          return pooled.obj.id === 3
        }
      }
      const factory = new ThingFactory()
      const pool = new Pool(Mine, queues.Deque, queues.PriorityQueue, factory, {
        max: 3,
        evictionRunIntervalMillis: 100,
        numTestsPerEvictionRun: 2,
      })
      const things = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
      for (const thing of things) await pool.release(thing)
      await pass(101)
      const config = expect.objectContaining({
        softIdleTimeoutMillis: -1,
        idleTimeoutMillis: 30_000,
        min: 0,
      }) as unknown
      expect(seen.splice(0)).toEqual([
        [config, 1, 'IDLE', 3],
        [config, 2, 'IDLE', 3],
      ])
      await pass(100)
      expect(seen[0]).toEqual([config, 3, 'IDLE', 3])
      expect(factory.destroyed).toEqual([3])
    })

    test('knows when a resource was created, lent, released and became idle', async () => {
      const seen: object[] = []
      class Mine extends DefaultEvictor {
        override evict(_config: unknown, pooled: object) {
          seen.push({ ...pooled })
          return false
        }
      }
      const began = Date.now()
      const pool = new Pool(Mine, queues.Deque, queues.PriorityQueue, new ThingFactory(), {
        min: 1,
        evictionRunIntervalMillis: 100,
      })
      await pass(101)
      expect(seen.pop()).toMatchObject({
        creationTime: began,
        lastBorrowTime: null,
        lastReturnTime: null,
        lastIdleTime: began,
      })
      const thing = await pool.acquire()
      await pass(30)
      await pool.release(thing)
      await pass(100)
      expect(seen.pop()).toMatchObject({
        creationTime: began,
        lastBorrowTime: began + 101,
        lastReturnTime: began + 131,
        lastIdleTime: began + 131,
      })
    })
  })

  describe('drain', () => {
    test('rejects new callers, serves waiting ones, and waits for borrowed resources', async () => {
      const { pool, factory } = open()
      const thing = await pool.acquire()
      const waiting = pool.acquire()
      const drained = follow(pool.drain())
      expect(await errorOf(pool.acquire())).toMatchObject({
        message: 'pool is draining and cannot accept work',
      })
      await pass(86_400_000)
      await pool.release(thing)
      expect(await waiting).toBe(thing)
      await settled()
      expect(drained.outcome.state).toBe('pending')
      await pool.release(thing)
      await settled()
      expect(drained.outcome).toEqual({ state: 'fulfilled', value: undefined })
      expect(numbersOf(pool)).toMatchObject({ size: 1, available: 1 })
      expect(factory.destroyed).toEqual([])
    })

    test('can be called twice, and prevents a later start', async () => {
      const { pool, factory } = open({ min: 1, autostart: false })
      await Promise.all([pool.drain(), pool.drain()])
      pool.start()
      await settled()
      expect(factory.creates).toBe(0)
    })

    test('followed by clear() leaves nothing open', async () => {
      const { pool, factory } = open({ min: 2, max: 3 })
      const held = await pool.acquire()
      const drained = pool.drain()
      await pool.destroy(held)
      await drained
      expect(numbersOf(pool)).toMatchObject({ size: 1, available: 1 })
      expect(await pool.clear()).toBeUndefined()
      expect(pool.size).toBe(0)
      expect(factory.destroyed).toEqual([1, 2])
    })

    test('stops the evictor', async () => {
      const { pool } = open({ min: 1, idleTimeoutMillis: 10, evictionRunIntervalMillis: 10 })
      await settled()
      await pool.drain()
      await pass(100)
      expect(pool.available).toBe(1)
    })
  })

  describe('clear', () => {
    test('ends idle resources and leaves borrowed ones open', async () => {
      const { pool, factory } = open({ max: 2 })
      const [held, idle] = await Promise.all([pool.acquire(), pool.acquire()])
      await pool.release(idle)
      await pool.clear()
      expect(factory.destroyed).toEqual([2])
      await pool.release(held)
      expect(factory.destroyed).toEqual([2])
    })

    test('waits for creates, and until the idle resources are destroyed', async () => {
      const factory = new ThingFactory()
      factory.create = async () => {
        await sleep(100)
        return factory.make()
      }
      const ended: number[] = []
      factory.destroy = async ({ id }) => {
        await sleep(100)
        ended.push(id)
      }
      const { pool } = open({ min: 2, max: 2 }, factory)
      const drained = pool.drain()
      const cleared = follow(pool.clear())
      await pass(100)
      expect(pool.size).toBe(0)
      await pass(99)
      expect(cleared.outcome.state).toBe('pending')
      await pass(1)
      expect(cleared.outcome.state).toBe('fulfilled')
      expect(ended).toEqual([1, 2])
      await drained
    })

    test('refills `min` if the pool is not draining', async () => {
      const { pool, factory } = open({ min: 2, max: 2 })
      await settled()
      await pool.clear()
      await settled()
      expect(factory.destroyed).toEqual([1, 2])
      expect(pool.size).toBe(2)
    })
  })

  describe('ready', () => {
    test('waits until `min` are open', async () => {
      const factory = new ThingFactory()
      factory.create = async () => {
        await sleep(150)
        return factory.make()
      }
      const { pool } = open({ min: 2, max: 2 }, factory)
      const ready = follow(pool.ready())
      await pass(149)
      expect(ready.outcome.state).toBe('pending')
      await pass(60)
      expect(ready.outcome).toEqual({ state: 'fulfilled', value: undefined })
    })

    test('waits for the start', async () => {
      const { pool } = open({ min: 1, autostart: false })
      const ready = follow(pool.ready())
      await pass(1_000)
      expect(ready.outcome.state).toBe('pending')
      pool.start()
      await pass(100)
      expect(ready.outcome.state).toBe('fulfilled')
    })

    test('resolves at once if `min` is 0 or already open', async () => {
      const { pool: none } = open({ autostart: false })
      expect(await none.ready()).toBeUndefined()
      const { pool } = open({ min: 1 })
      await settled()
      expect(await pool.ready()).toBeUndefined()
    })
  })
})
