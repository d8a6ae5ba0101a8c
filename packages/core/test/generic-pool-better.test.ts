import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import { type Factory, type Options, Pool } from '../src/generic-pool/index.ts'
import { afterFork } from '../src/index.ts'
import {
  type AllOptions,
  type AnyPool,
  libraries,
  numbersOf,
  own,
  sleep,
  theirs,
  type Thing,
  ThingFactory,
} from './support/generic-pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'
import { nextUncaught, unhandledIn } from './support/uncaught.ts'

// The intended differences between `@forksafe/core/generic-pool` and generic-pool, as listed in docs/generic-pool.md. Each test
// first shows the behaviour of generic-pool. Otherwise it would prove nothing.

useFakeTime()

type Hooks = Partial<Factory<Thing>>

function open(
  { createPool } = own,
  hooks: Hooks = {},
  options: AllOptions & Options = {},
): { pool: AnyPool<Thing>; factory: ThingFactory } {
  const factory = Object.assign(new ThingFactory(), hooks)
  return { pool: createPool(factory, options as AllOptions), factory }
}

/** Returns the outcomes of both libraries, generic-pool's first. */
async function both<T>(run: (library: typeof own) => Promise<T>): Promise<[T, T]> {
  return [await run(theirs), await run(own)]
}

const hangs = (): Promise<never> => new Promise(() => undefined)
const fails = (): Promise<never> => Promise.reject(new Error('down'))
const throws = (): never => {
  throw new Error('thrown')
}

describe('a create that fails', () => {
  test('is retried a few times instead of thousands of times', async () => {
    vi.useRealTimers()
    const [many, few] = await both(async (library) => {
      let tries = 0
      const create = (): Promise<never> =>
        new Promise((_resolve, reject) => {
          tries++
          setImmediate(() => reject(new Error('ECONNREFUSED')))
        })
      const { pool } = open(library, { create }, { acquireTimeoutMillis: 500 })
      await errorOf(pool.acquire())
      return tries
    })
    expect(many).toBeGreaterThan(100)
    expect(few).toBeLessThan(60)
  })

  test('at once does not block the event loop', async () => {
    vi.useRealTimers()
    const turned = await both(async (library) => {
      let turns = 0
      let tries = 0
      setImmediate(() => turns++)
      const stopped = new Promise<void>((resolve) => {
        const create = (): Promise<never> => {
          if (++tries < 20_000) return fails()
          resolve()
          return hangs()
        }
        void open(library, { create }, { acquireTimeoutMillis: 20 })
          .pool.acquire()
          .catch(() => resolve())
      })
      await stopped
      return turns
    })
    expect(turned).toEqual([0, 1])
  })

  test('is the cause of the error of a caller that timed out', async () => {
    const create = async (): Promise<never> => {
      await sleep(10)
      throw new Error('wrong password')
    }
    const causes = await both(async (library) => {
      const { pool } = open(library, { create }, { acquireTimeoutMillis: 100 })
      const error = errorOf(pool.acquire())
      await pass(100)
      const { name, cause } = (await error) as Error
      return [name, (cause as Error | undefined)?.cause]
    })
    expect(causes).toEqual([
      ['TimeoutError', undefined],
      ['TimeoutError', new Error('wrong password')],
    ])
  })

  test('does not stop the refill of `min`, and ready() rejects with the reason', async () => {
    const outcomes = await both(async (library) => {
      const { pool, factory } = open(library, { create: fails }, { min: 2, max: 2 })
      const ready = follow(pool.ready())
      await settled()
      factory.create = async () => factory.make()
      await pass(10_000)
      return [ready.outcome.state, pool.available]
    })
    expect(outcomes).toEqual([
      ['pending', 0],
      ['rejected', 2],
    ])
    const { pool } = open(own, { create: fails }, { min: 1 })
    expect(await errorOf(pool.ready())).toMatchObject({ message: 'down' })
  })

  test('immediately rejects callers that wait while the pool drains and no resource is borrowed', async () => {
    const tries = await both(async (library) => {
      let tries = 0
      const create = async (): Promise<never> => {
        tries++
        await sleep(1)
        throw new Error('down')
      }
      const { pool } = open(library, { create })
      const waiting = follow(pool.acquire())
      const drained = follow(pool.drain())
      await pass(1_000)
      return { tries, drained: drained.outcome.state, waiting: waiting.outcome }
    })
    expect(tries[0]).toMatchObject({ drained: 'pending', waiting: { state: 'pending' } })
    expect(tries[0].tries).toBeGreaterThan(500)
    expect(tries[1]).toEqual({
      tries: 1,
      drained: 'fulfilled',
      waiting: { state: 'rejected', error: new Error('down') },
    })
  })

  test('rejects no caller while another may still release a resource', async () => {
    const { pool, factory } = open(own, {}, { max: 2 })
    const held = await pool.acquire()
    factory.create = fails
    const waiting = pool.acquire()
    const drained = pool.drain()
    await pass(1_000)
    await pool.release(held)
    expect(await waiting).toBe(held)
    await pool.release(held)
    await drained
  })

  test('is classified by the factory', async () => {
    const hooks = { create: fails, classify: () => 'fatal' as const }
    const { pool } = open(own, hooks)
    expect(await errorOf(pool.acquire())).toMatchObject({ message: 'down' })
  })
})

describe('a function of the factory that throws', () => {
  test('as `create` counts as a failed create', async () => {
    const outcomes = await both(async (library) => {
      const { pool } = open(library, { create: throws }, { acquireTimeoutMillis: 100 })
      const errors: unknown[] = []
      pool.once('factoryCreateError', (error) => errors.push(error))
      let acquiring: Promise<unknown>
      try {
        acquiring = errorOf(pool.acquire())
      } catch {
        return 'thrown at the caller'
      }
      await pass(100)
      return [await acquiring, errors]
    })
    expect(outcomes).toMatchObject([
      'thrown at the caller',
      [{ name: 'TimeoutError' }, [{ message: 'thrown' }]],
    ])
  })

  test('as `destroy` is reported by an event, also in a run of the evictor', async () => {
    const options = { evictionRunIntervalMillis: 100, idleTimeoutMillis: 10 }
    const old = open(theirs, { destroy: throws }, options)
    await old.pool.release(await old.pool.acquire())
    expect(() => vi.advanceTimersByTime(100)).toThrow('thrown')
    const { pool } = open(own, { destroy: throws }, options)
    const errors: unknown[] = []
    pool.on('factoryDestroyError', (error) => errors.push(error))
    await pool.release(await pool.acquire())
    await pass(100)
    expect(errors).toEqual([new Error('thrown')])
    expect(pool.size).toBe(0)
  })

  test('or rejects as `validate` ends the resource, is reported by an event, and frees the slot', async () => {
    const outcomes = await both(async (library) => {
      const { pool, factory } = open(
        library,
        { validate: async () => true },
        { testOnBorrow: true, acquireTimeoutMillis: 1_000 },
      )
      const errors: unknown[] = []
      pool.on('factoryValidateError', (error) => errors.push(error))
      await pool.release(await pool.acquire())
      Object.assign(factory, { validate: fails })
      let next = {}
      const unhandled = await unhandledIn(async () => {
        const following = follow(pool.acquire())
        await pass(1_000)
        next = following.outcome
      })
      return { next, errors, unhandled, destroyed: factory.destroyed }
    })
    const down = new Error('down')
    expect(outcomes).toMatchObject([
      { next: { state: 'rejected' }, errors: [], unhandled: [down], destroyed: [] },
      {
        next: { state: 'fulfilled', value: { id: 2 } },
        errors: [down],
        unhandled: [],
        destroyed: [1],
      },
    ])
  })

  test('as a listener is an uncaught error, and the pool continues', async () => {
    const failingOnce = (library: typeof own): AnyPool<Thing> => {
      let failures = 1
      const { pool, factory } = open(library)
      factory.create = async () => (failures-- > 0 ? fails() : factory.make())
      pool.on('factoryCreateError', throws)
      return pool
    }
    const old = failingOnce(theirs)
    const unhandled = await unhandledIn(async () => {
      void old.acquire()
      await pass(10_000)
    })
    expect(unhandled).toEqual([new Error('thrown')])
    expect(old.pending).toBe(1)

    const pool = failingOnce(own)
    const uncaught = nextUncaught()
    const acquiring = pool.acquire()
    await settled()
    expect(await uncaught).toEqual(new Error('thrown'))
    await pass(100)
    expect((await acquiring).id).toBe(1)
  })
})

test.each([2 ** 31, Infinity])(
  'an `evictionRunIntervalMillis` of %d is no run for long, and not one at each millisecond',
  async (evictionRunIntervalMillis) => {
    const options = { evictionRunIntervalMillis, idleTimeoutMillis: 10 }
    const { pool } = open(own, {}, options)
    await pool.release(await pool.acquire())
    await pass(1_000)
    expect(pool.available).toBe(1)
  },
)

describe('a hook that hangs', () => {
  test('as `create` keeps its slot for 60 seconds, and drain() and clear() settle', async () => {
    const outcomes = await both(async (library) => {
      const { pool } = open(library, { create: hangs }, { acquireTimeoutMillis: 100 })
      const waiting = errorOf(pool.acquire())
      const cleared = follow(pool.drain().then(() => pool.clear()))
      await pass(60_000)
      await waiting
      return [cleared.outcome.state, pool.size]
    })
    expect(outcomes).toEqual([
      ['pending', 1],
      ['fulfilled', 0],
    ])
  })

  test('as `validate` ends the resource after 10 seconds', async () => {
    const options = { testOnBorrow: true, acquireTimeoutMillis: 20_000 }
    const states = await both(async (library) => {
      const { pool, factory } = open(library, { validate: async () => true }, options)
      await pool.release(await pool.acquire())
      Object.assign(factory, { validate: hangs })
      const next = follow(pool.acquire())
      await pass(20_000)
      return [next.outcome.state, factory.destroyed]
    })
    expect(states).toEqual([
      ['rejected', []],
      ['fulfilled', [1]],
    ])
  })

  test('as `destroy` is abandoned after 10 seconds: clear() settles, and an event reports it', async () => {
    const outcomes = await both(async (library) => {
      const { pool } = open(library, { destroy: hangs })
      const errors: unknown[] = []
      pool.on('factoryDestroyError', (error) => errors.push(error))
      await pool.release(await pool.acquire())
      const cleared = follow(pool.clear())
      await settled()
      await pass(10_000)
      return [cleared.outcome.state, errors]
    })
    expect(outcomes).toEqual([
      ['pending', []],
      ['fulfilled', [new Error('destroy timed out')]],
    ])
  })

  test.each(['create', 'validate', 'destroy'])('as %s has its own timeout', async (hook) => {
    const { pool } = open(
      own,
      { validate: async () => true, [hook]: hangs },
      { testOnBorrow: true, [`${hook}TimeoutMillis`]: 50 },
    )
    const errors: unknown[] = []
    const event = `factory${hook.charAt(0).toUpperCase()}${hook.slice(1)}Error`
    pool.on(event, (error) => errors.push(error))
    const using = async (): Promise<void> => {
      await pool.release(await pool.acquire())
      await pool.destroy(await pool.acquire())
    }
    using().catch(() => undefined)
    await pass(60)
    expect(errors).toHaveLength(1)
  })
})

describe('a resource', () => {
  test('that clear() ended is never lent', async () => {
    const destroys = await both(async (library) => {
      const { pool } = open(library)
      await pool.release(await pool.acquire())
      await pool.clear()
      return (await pool.acquire()).destroys
    })
    expect(destroys).toEqual([1, 0])
  })

  test('that is idle and broken can be destroyed', async () => {
    const lent = await both(async (library) => {
      const { pool } = open(library)
      const broken = await pool.acquire()
      await pool.release(broken)
      await pool.destroy(broken).catch(() => undefined)
      return (await pool.acquire()) === broken
    })
    expect(lent).toEqual([true, false])
  })

  test('that dies by itself is replaced if the factory has `watch`', async () => {
    const deaths = new Map<Thing, (error: Error) => void>()
    const watch = (thing: Thing, lost: (error: Error) => void): void => void deaths.set(thing, lost)
    const { pool, factory } = open(own, { watch })
    const idle = await pool.acquire()
    await pool.release(idle)
    deaths.get(idle)?.(new Error('connection reset'))
    const lent = await pool.acquire()
    expect(lent.id).toBe(2)
    const next = pool.acquire()
    deaths.get(lent)?.(new Error('connection reset'))
    expect((await next).id).toBe(3)
    expect(factory.destroyed).toEqual([1, 2])
    // Its holder releases it as usual.
    expect(pool.isBorrowedResource(lent)).toBe(true)
    await pool.release(lent)
    expect(numbersOf(pool)).toMatchObject({ size: 1, borrowed: 1 })
  })

  test('that is being destroyed counts against `max`', async () => {
    const most = await both(async (library) => {
      let open_ = 0
      let most = 0
      const { pool, factory } = open(library, {
        destroy: async () => {
          await sleep(1_000)
          open_--
        },
      })
      factory.create = async () => {
        most = Math.max(most, ++open_)
        return factory.make()
      }
      const uses = Array.from({ length: 5 }, async () => pool.destroy(await pool.acquire()))
      await pass(5_000)
      await Promise.all(uses)
      return most
    })
    expect(most).toEqual([5, 1])
  })

  test('that was just opened is lent without a test', async () => {
    const tests = await both(async (library) => {
      const validate = vi.fn<() => Promise<boolean>>(async () => true)
      await open(library, { validate }, { testOnBorrow: true }).pool.acquire()
      return validate.mock.calls.length
    })
    expect(tests).toEqual([1, 0])
  })

  test('is tested at release with `testOnReturn`', async () => {
    const outcomes = await both(async (library) => {
      const { pool, factory } = open(
        library,
        { validate: async () => false },
        { testOnReturn: true },
      )
      await pool.release(await pool.acquire())
      await settled()
      return [factory.destroyed, pool.available]
    })
    expect(outcomes).toEqual([
      [[], 1],
      [[1], 0],
    ])
  })

  test('is released without a test if `testOnReturn` is set but the factory has no `validate`', async () => {
    const { pool } = open(own, {}, { testOnReturn: true })
    await pool.release(await pool.acquire())
    expect(pool.available).toBe(1)
  })

  test('is not lent beyond its maximum lifetime or number of uses', async () => {
    const { pool } = open(own, {}, { maxLifetimeMillis: 1_000, maxUses: 2 })
    const ids: number[] = []
    for (let use = 0; use < 3; use++) await pool.use(({ id }) => void ids.push(id))
    await pass(1_001)
    await pool.use(({ id }) => void ids.push(id))
    expect(ids).toEqual([1, 1, 2, 3])
  })
})

describe('use()', () => {
  test('releases the resource when the work throws, or does not return a promise', async () => {
    const outcomes = await both(async (library) => {
      const { pool } = open(library, {}, { max: 2 })
      await errorOf(pool.use(throws))
      const given = await pool.use(() => 'no promise').catch(() => 'an error')
      return [pool.borrowed, given]
    })
    expect(outcomes).toEqual([
      [2, 'an error'],
      [0, 'no promise'],
    ])
  })

  test('does not release again a resource that its work released', async () => {
    const states = await both(async (library) => {
      const { pool } = open(library)
      await pool.use(async (thing) => {
        await pool.release(thing)
        await pool.acquire()
      })
      const third = follow(pool.acquire())
      await settled()
      return third.outcome.state
    })
    expect(states).toEqual(['fulfilled', 'pending'])
  })

  test('keeps the resource after an error of the work if the factory has `reset`', async () => {
    const reset = vi.fn<() => Promise<void>>(async () => undefined)
    const { pool, factory } = open(own, { reset })
    await errorOf(pool.use(fails))
    await settled()
    expect(factory.destroyed).toEqual([])
    expect(reset).toHaveBeenCalledTimes(1)
    expect(pool.available).toBe(1)
  })
})

test('a caller for whom a resource is being opened does not count towards `maxWaitingClients`', async () => {
  const ids = await both(async (library) => {
    const { pool } = open(library, {}, { maxWaitingClients: 1 })
    const callers = [1, 2, 3].map(() => pool.use(async ({ id }) => id).catch(() => 'refused'))
    return Promise.all(callers)
  })
  expect(ids).toEqual([
    [1, 'refused', 'refused'],
    [1, 1, 'refused'],
  ])
})

test('the functions of the factory do not see the AsyncLocalStorage of callers', async () => {
  const context = new AsyncLocalStorage<string>()
  const seen = await both(async (library) => {
    const seen: (string | undefined)[] = []
    const { pool, factory } = open(library, { validate: async () => true }, { testOnBorrow: true })
    Object.assign(factory, {
      create: async () => {
        seen.push(context.getStore())
        return factory.make()
      },
      validate: async () => {
        seen.push(context.getStore())
        return true
      },
    })
    await context.run('first', async () => pool.release(await pool.acquire()))
    await context.run('second', async () => pool.acquire())
    return new Set(seen)
  })
  expect(seen).toEqual([new Set(['first', 'second']), new Set([undefined])])
})

describe('reset', () => {
  test('runs before anyone else gets the resource', async () => {
    const reset = (thing: Thing): Promise<void> => sleep(10).then(() => void (thing.destroys -= 1))
    const { pool } = open(own, { reset })
    const thing = await pool.acquire()
    const next = follow(pool.acquire())
    await pool.release(thing)
    await pass(9)
    expect(next.outcome.state).toBe('pending')
    await pass(1)
    expect(next.outcome).toMatchObject({ value: { destroys: -1 } })
  })

  test('that fails or takes too long ends the resource, and is reported by an event', async () => {
    for (const reset of [fails, throws, hangs]) {
      const { pool, factory } = open(own, { reset }, { validateTimeoutMillis: 100 })
      const errors: Error[] = []
      pool.on('factoryResetError', (error: Error) => errors.push(error))
      await pool.release(await pool.acquire())
      await pass(100)
      expect(factory.destroyed).toEqual([1])
      expect(['down', 'thrown', 'reset timed out']).toContain(errors[0]?.message)
    }
  })

  test('runs before the test at release', async () => {
    const calls: string[] = []
    const { pool } = open(
      own,
      {
        reset: () => void calls.push('reset'),
        validate: async () => Boolean(calls.push('validate')),
      },
      { testOnReturn: true },
    )
    await pool.release(await pool.acquire())
    await settled()
    expect(calls).toEqual(['reset', 'validate'])
    expect(pool.available).toBe(1)
  })

  test('followed by a failed test at release is reported by an event', async () => {
    const { pool, factory } = open(own, { validate: fails }, { testOnReturn: true })
    const errors: unknown[] = []
    pool.on('factoryValidateError', (error) => errors.push(error))
    await pool.release(await pool.acquire())
    await settled()
    expect(errors).toEqual([new Error('down')])
    expect(factory.destroyed).toEqual([1])
  })
})

test('an idle resource lets the process exit, a borrowed one does not, if the factory has `ref` and `unref`', async () => {
  const calls: string[] = []
  const { pool } = open(own, {
    ref: ({ id }) => void calls.push(`ref ${id}`),
    unref: ({ id }) => void calls.push(`unref ${id}`),
  })
  await pool.release(await pool.acquire())
  await pool.acquire()
  expect(calls).toEqual(['ref 1', 'unref 1', 'ref 1'])
})

test('a resource that is lent because an idle one ends is not ended too', async () => {
  const { pool, factory } = open(own, {}, { max: 2 })
  const things = await Promise.all([pool.acquire(), pool.acquire()])
  for (const thing of things) await pool.release(thing)
  let lent: Promise<Thing> | undefined
  factory.destroy = async (thing) => {
    thing.destroys++
    lent ??= pool.acquire()
  }
  await pool.clear()
  expect(await lent).toBe(things[1])
  expect(factory.destroyed).toEqual([1])
})

describe('rejects', () => {
  test.each([
    [
      { acquireTimeoutMillis: -1 },
      '`acquireTimeoutMillis` to be a number of milliseconds above 0, got -1 (number)',
    ],
    [
      { destroyTimeoutMillis: 'soon' },
      '`destroyTimeoutMillis` to be a number of milliseconds above 0, got a string',
    ],
    [{ testOnBorrow: true }, 'factory.validate must be a function, got undefined'],
    [{ name: 'mine', maxUses: 0 }, 'Pool "mine": expected `maxUses` to be'],
    [{ keepaliveMillis: 1 }, 'Pool "generic-pool": there is no option `keepaliveMillis` here.'],
    [
      { validateAfterIdleMillis: 1 },
      'there is no option `validateAfterIdleMillis` here: set `testOnBorrow`.',
    ],
    [{ eager: false }, 'there is no option `eager` here: set `autostart`.'],
    [{ connection: 'postgres://me:secret@db' }, 'there is no option `connection` here.'],
  ])('%o, at construction', (options, message) => {
    expect(() => theirs.createPool(new ThingFactory(), options as object)).not.toThrow()
    expect(() => own.createPool(new ThingFactory(), options as object)).toThrow(message)
  })

  test('a missing factory, or one whose hooks are not functions', () => {
    expect(() => own.createPool(undefined as never, { name: 'mine' } as object)).toThrow(
      'Pool "mine": expected a factory, got undefined.',
    )
    const factory = Object.assign(new ThingFactory(), { discard: true })
    expect(() => own.createPool(factory)).toThrow(
      'factory.discard must be a function, got a boolean (pool "generic-pool")',
    )
  })

  test('a custom queue', () => {
    const { DefaultEvictor, Deque, PriorityQueue } = theirs
    expect(() => new own.Pool(DefaultEvictor, Deque, PriorityQueue, new ThingFactory())).toThrow(
      `Pool "generic-pool": expected undefined in the place of Deque and of PriorityQueue, got a function: the queue is the pool's own.`,
    )
  })
})

test.each([{ unknown: 1 }, { connection: undefined }])(
  'ignores %o, as generic-pool does',
  (options) => {
    for (const [, library] of libraries) {
      expect(() => library.createPool(new ThingFactory(), options as object)).not.toThrow()
    }
  },
)

test('a resource that is borrowed for longer than `leakDetectionMillis` is reported by `leak`', async () => {
  const { pool } = open(own, {}, { leakDetectionMillis: 100 })
  const leaks: unknown[] = []
  pool.on('leak', (leak) => void leaks.push(leak))
  const thing = await pool.acquire()
  await pass(100)
  expect(leaks).toMatchObject([{ stack: expect.stringContaining('generic-pool-better') as string }])
  await pool.release(thing)
})

test('`Infinity` means no limit', async () => {
  const { pool } = open(own, {}, { acquireTimeoutMillis: Infinity })
  const thing = await pool.acquire()
  const next = pool.acquire()
  await pass(86_400_000)
  await pool.release(thing)
  expect(await next).toBe(thing)
})

test('the stack of a rejected `acquire` or `use` leads to the caller', async () => {
  vi.useRealTimers()
  const { pool } = open(own, {}, { max: 1, acquireTimeoutMillis: 20 })
  async function poolCaller(method: 'acquire' | 'use'): Promise<void> {
    if (method === 'acquire') await pool.acquire()
    else await pool.use(async () => 1)
  }
  const thing = await pool.acquire()
  for (const how of ['timed out', 'draining']) {
    for (const method of ['acquire', 'use'] as const) {
      const error = await errorOf(poolCaller(method))
      expect((error as Error).message).toContain(how)
      expect((error as Error).stack).toMatch(/at (async )?poolCaller /)
    }
    void pool.drain()
  }
  await pool.release(thing)
})

test('works behind a proxy', async () => {
  const pool = new Proxy(open().pool, {})
  expect(await pool.use(({ id }) => id)).toBe(1)
  expect(pool.available).toBe(1)
})

describe('after a fork, the child', () => {
  // Pools of other tests have factories without `discard`.
  let warn: MockInstance<typeof process.emitWarning>
  beforeEach(() => {
    warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  })
  afterEach(() => warn.mockRestore())

  const discarded = (): { discards: Thing[]; discard: (thing: Thing) => void } => {
    const discards: Thing[] = []
    return { discards, discard: (thing) => void discards.push(thing) }
  }

  test('discards resources that generic-pool would destroy, and starts empty', async () => {
    const options = { min: 2, max: 3, idleTimeoutMillis: 10, evictionRunIntervalMillis: 100 }
    const destroyed = await both(async (library) => {
      const { discards, discard } = discarded()
      const { pool, factory } = open(library, { discard }, options)
      const lent = await pool.acquire()
      afterFork()
      await pass(1_000)
      const after = { size: pool.size, creates: factory.creates, discards: discards.length }
      expect(pool.isBorrowedResource(lent)).toBe(library === theirs)
      return { ...after, destroyed: factory.destroyed.length > 0 }
    })
    expect(destroyed).toEqual([
      { size: 2, creates: expect.any(Number) as number, discards: 0, destroyed: true },
      { size: 0, creates: 2, discards: 2, destroyed: false },
    ])
    expect(destroyed[0].creates).toBeGreaterThan(10)
  })

  test('gets an event, opens its own resources, and does not return inherited resources to the pool', async () => {
    const { discards, discard } = discarded()
    const { pool, factory } = open(own, { discard }, { max: 2 })
    const changes: unknown[] = []
    pool.on('processChange', (change) => changes.push(change))
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()])
    const waiting = errorOf(pool.acquire())
    afterFork()
    expect(changes).toMatchObject([{ reason: 'fork', discarded: 2 }])
    expect(await waiting).toMatchObject({ name: 'StaleResourceError' })
    expect(numbersOf(pool)).toEqual({ size: 0, available: 0, borrowed: 0, pending: 0, spare: 2 })
    expect((await pool.acquire()).id).toBe(3)
    await pool.release(first)
    await pool.destroy(second)
    await pool.release(first)
    expect(numbersOf(pool)).toMatchObject({ size: 1, borrowed: 1 })
    expect(discards).toEqual([first, second])
    expect(factory.destroyed).toEqual([])
  })

  test('does not release an inherited resource at the end of `use`', async () => {
    const { discard } = discarded()
    const { pool, factory } = open(own, { discard })
    const using = pool.use(async () => {
      afterFork()
      await pool.acquire()
    })
    await using
    expect(numbersOf(pool)).toMatchObject({ size: 1, borrowed: 1 })
    expect(factory.destroyed).toEqual([])
  })

  test('drains at once, because borrowed resources and waiting callers belong to its parent', async () => {
    const { pool } = open(own, { discard: () => undefined })
    await pool.acquire()
    const waiting = pool.acquire().catch(() => undefined)
    const drained = pool.drain()
    afterFork()
    await Promise.all([waiting, drained, pool.clear()])
    expect(pool.size).toBe(0)
  })

  test('aborts creates of its parent through the signal of `create`', async () => {
    const { discards, discard } = discarded()
    const { pool, factory } = open(own, { discard })
    let signal: AbortSignal | undefined
    factory.create = async (context?: { signal: AbortSignal }) => {
      signal = context?.signal
      await sleep(100)
      return factory.make()
    }
    const acquiring = errorOf(pool.acquire())
    expect(signal?.aborted).toBe(false)
    afterFork()
    expect(signal?.aborted).toBe(true)
    await acquiring
    const cleared = follow(pool.clear())
    await settled()
    expect(cleared.outcome.state).toBe('fulfilled')
    await pass(100)
    expect(discards).toEqual(factory.things)
    expect(numbersOf(pool)).toMatchObject({ size: 0 })
  })

  test('does not test a resource that its parent was resetting', async () => {
    const { discards, discard } = discarded()
    const validate = vi.fn<() => Promise<boolean>>(async () => true)
    const hooks = { discard, validate, reset: () => sleep(10) }
    const { pool } = open(own, hooks, { testOnReturn: true })
    await pool.release(await pool.acquire())
    afterFork()
    await pass(10)
    expect(discards).toHaveLength(1)
    expect(validate).not.toHaveBeenCalled()
  })

  test('emits a warning if the factory cannot discard inherited resources', async () => {
    const { pool, factory } = open(own, {}, { name: 'warned' })
    const warnings = (): unknown[] =>
      warn.mock.calls.filter(([text]) => String(text).includes('"warned"'))
    afterFork()
    expect(warnings()).toEqual([])
    await pool.release(await pool.acquire())
    afterFork()
    expect(warnings()).toEqual([
      [expect.stringContaining('inherited resources (1)'), { code: 'FORKSAFE_NO_DISCARD' }],
    ])
    expect(factory.destroyed).toEqual([])
    expect((await pool.acquire()).id).toBe(2)
  })

  test('treats an inherited primitive resource as not borrowed', async () => {
    const factory = {
      create: async () => 'text',
      destroy: async () => undefined,
      discard: () => undefined,
    }
    const pool = own.createPool(factory)
    await pool.acquire()
    afterFork()
    await errorOf(pool.release('text'))
    expect(pool.isBorrowedResource('text')).toBe(false)
  })
})

test('a resource that cannot be destroyed is discarded if the factory has `discard`', async () => {
  const discard = vi.fn<() => void>()
  const { pool } = open(own, { destroy: fails, discard })
  const thing = await pool.acquire()
  await pool.destroy(thing)
  await settled()
  expect(discard).toHaveBeenCalledExactlyOnceWith(thing)
  await errorOf(pool.release(thing))
})

test('a pool may have a name, which its errors contain', async () => {
  const { pool } = open(own, {}, { name: 'pages', acquireTimeoutMillis: 100 })
  await pool.acquire()
  const error = errorOf(pool.acquire())
  await pass(100)
  expect(await error).toMatchObject({
    cause: { pool: 'pages', code: 'FORKSAFE_ACQUIRE_TIMEOUT', phase: 'waiting' },
  })
})

test('both import paths lead to the same module', () => {
  expect(libraries[1][1].Pool).toBe(Pool)
})
