import { AsyncLocalStorage } from 'node:async_hooks'
import { performance as machine } from 'node:perf_hooks'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { AcquireTimeoutError, PoolClosedError, QueueFullError } from '../src/index.ts'
import { FakeDriver, HookError } from './support/fake-driver.ts'
import { endsOf, openPool } from './support/pools.ts'
import {
  answer,
  answerAll,
  inFlightOn,
  share,
  shareMany,
  sharingDriver,
  sorted,
} from './support/requests.ts'
import { errorOf, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

function nothing(): void {}

describe('where a request goes', () => {
  test('each of many requests gets its own answer', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    const answers = Array.from({ length: 50 }, (_, number) =>
      pool.share(async (resource) => {
        await resource.request()
        return number
      }),
    )
    await settled()
    await answerAll(driver)
    expect(await Promise.all(answers)).toEqual([...Array(50).keys()])
    expect(pool.stats).toMatchObject({ size: 2, idle: 2, shared: 0, inFlight: 0, waiting: 0 })
  })

  test('the pool opens up to `max` before a request goes behind another one', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 3 })
    for (const open of [1, 2, 3]) {
      share(pool)
      await settled()
      expect(inFlightOn(driver)).toEqual(Array.from({ length: open }, () => 1))
    }
    share(pool)
    await settled()
    expect(sorted(inFlightOn(driver))).toEqual([1, 1, 2])
  })

  test('a request goes to the resource with the fewest in flight, up to `maxInFlight`', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2, maxInFlight: 2 })
    shareMany(pool, 5)
    await settled()
    expect(inFlightOn(driver)).toEqual([2, 2])
    expect(pool.stats).toMatchObject({ shared: 2, borrowed: 0, idle: 0, inFlight: 4, waiting: 1 })

    await answer(driver.resource(2))
    expect(inFlightOn(driver)).toEqual([2, 2])
    await answer(driver.resource(2), 2)
    const next = share(pool)
    await settled()
    expect(next.sentOn).toBe(driver.resource(2))
  })

  test('a request waits for a resource that is being opened, and not behind a slow one', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    driver.plans.create = 'hang'
    const second = share(pool)
    await settled()
    expect(second.sentOn).toBeUndefined()
    driver.settle('create')
    await settled()
    expect(second.sentOn).toBe(driver.resource(2))
  })

  test('a request that waits for an opening one goes to a resource that is empty first', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    driver.plans.create = 'hang'
    const second = share(pool)
    await answer(driver.resource(1))
    expect(second.sentOn).toBe(driver.resource(1))
    // Without a pause.
    expect(driver.count('begin')).toBe(1)
  })

  test('requests do not wait for a resource that cannot be opened', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    driver.plans.create = 'reject'
    const second = share(pool)
    await settled()
    expect(second.sentOn).toBe(driver.resource(1))
    const third = share(pool)
    expect(third.sentOn).toBe(driver.resource(1))
  })

  test('requests do not wait for an attempt to open a resource after a failure', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9)
    onTestFinished(() => void vi.restoreAllMocks())
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    driver.plans.create = 'reject'
    share(pool)
    await settled()
    driver.plans.create = 'hang'
    // Keeps the pool trying, until the attempt begins.
    const controller = new AbortController()
    const acquiring = pool.acquire({ signal: controller.signal })
    acquiring.catch(() => undefined)
    while (pool.stats.creating === 0) await pass(1)
    controller.abort()
    await settled()
    expect(pool.stats).toMatchObject({ creating: 1, waiting: 0 })
    expect(share(pool).sentOn).toBe(driver.resource(1))
  })

  test('a fatal failure to open another resource rejects no request that an open one can take', async () => {
    const driver = sharingDriver({ hooks: ['classify'] })
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    driver.plans.create = 'reject'
    driver.failureKind = 'fatal'
    const second = share(pool)
    await settled()
    expect(second.sentOn).toBe(driver.resource(1))
  })

  test('an idle resource is validated before a request is sent, like before an acquire', async () => {
    const driver = sharingDriver({ hooks: ['validate'] })
    const pool = openPool(driver, { max: 2, validateAfterIdleMillis: 0 })
    share(pool)
    await settled()
    await answerAll(driver)
    driver.valid = false
    const second = share(pool)
    await settled()
    expect(driver.resource(1).destroys).toBe(1)
    expect(second.sentOn).toBe(driver.resource(2))
  })

  test('nothing is sent on a full resource until one of its requests is answered', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    shareMany(pool, 2)
    await settled()
    driver.resource(1).full = true
    const third = share(pool)
    await settled()
    expect(third.sentOn).toBeUndefined()
    driver.resource(1).full = false
    await answer(driver.resource(1))
    expect(third.sentOn).toBe(driver.resource(1))
  })

  test('a request with a higher priority is sent first', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxInFlight: 1 })
    share(pool)
    await settled()
    const later = share(pool)
    const urgent = share(pool, { priority: -1 })
    await answer(driver.resource(1))
    expect(urgent.sentOn).toBe(driver.resource(1))
    expect(later.sentOn).toBeUndefined()
  })
})

describe('sealing', () => {
  // In fake time, the event loop waits for events, unless a test blocks it.
  beforeEach(() => {
    vi.spyOn(machine.nodeTiming, 'idleTime', 'get').mockImplementation(() => performance.now())
    return () => void vi.restoreAllMocks()
  })

  test('nothing is sent behind a sealed request until it is answered', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    share(pool)
    await settled()
    const sealed = share(pool, { seal: true })
    const behind = share(pool)
    expect(sealed.sentOn).toBe(driver.resource(1))
    await answer(driver.resource(1))
    expect(behind.sentOn).toBeUndefined()
    await answer(driver.resource(1))
    expect(behind.sentOn).toBe(driver.resource(1))
  })

  test('a sealed request keeps its seal after its caller has given up', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const controller = new AbortController()
    share(pool, { seal: true, signal: controller.signal })
    await settled()
    controller.abort()
    const behind = share(pool)
    await settled()
    expect(behind.sentOn).toBeUndefined()
    await answer(driver.resource(1))
    expect(behind.sentOn).toBe(driver.resource(1))
  })

  test('requests with a key that was slow are sealed, others are not', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    share(pool, { key: 'slow' })
    await pass(50)
    await answer(driver.resource(1))

    share(pool, { key: 'fast' })
    const slow = share(pool, { key: 'slow' })
    const behind = share(pool, { key: 'fast' })
    expect(slow.sentOn).toBe(driver.resource(1))
    expect(behind.sentOn).toBeUndefined()
    await answer(driver.resource(1), 2)
    expect(behind.sentOn).toBe(driver.resource(1))
  })

  test('a request that only waited behind a slow one is not slow', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    share(pool, { key: 'slow' })
    await settled()
    share(pool, { key: 'fast' })
    await pass(50)
    await answer(driver.resource(1), 2)
    share(pool, { key: 'fast' })
    expect(share(pool).sentOn).toBe(driver.resource(1))
  })

  test('an answer that was read late because the event loop was blocked is not slow', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    share(pool, { key: 'text' })
    await settled()
    const waited = performance.now()
    vi.spyOn(machine.nodeTiming, 'idleTime', 'get').mockReturnValue(waited)
    await pass(50)
    await answer(driver.resource(1))
    share(pool, { key: 'text' })
    expect(share(pool).sentOn).toBe(driver.resource(1))
  })

  test('time on the network is not slow', async () => {
    const driver = sharingDriver()
    driver.plans.create = { afterMillis: 60, outcome: 'pass' }
    const pool = openPool(driver, { max: 1 })
    for (let i = 0; i < 3; i++) {
      share(pool, { key: 'far' })
      await pass(i === 0 ? 80 : 20)
      await answer(driver.resource(1))
    }
    share(pool, { key: 'far' })
    expect(share(pool).sentOn).toBe(driver.resource(1))
  })

  test.each([
    { slow: 1, fast: 31, sealed: true },
    { slow: 1, fast: 32, sealed: false },
    { slow: 3, fast: 95, sealed: true },
    { slow: 3, fast: 96, sealed: false },
    { slow: 40, fast: 999, sealed: true },
    { slow: 40, fast: 1_000, sealed: false },
  ])('after $slow slow and $fast fast answers', async ({ slow, fast, sealed }) => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    for (let i = 0; i < slow + fast; i++) {
      share(pool, { key: 'text' })
      await (i < slow ? pass(50) : settled())
      await answer(driver.resource(1))
    }
    share(pool, { key: 'text' })
    expect(share(pool).sentOn).toBe(sealed ? undefined : driver.resource(1))
  })

  test.each([
    { sealAfterMillis: Infinity, sealed: false },
    { sealAfterMillis: 100, sealed: false },
    { sealAfterMillis: 20, sealed: true },
  ])('`sealAfterMillis` of $sealAfterMillis', async ({ sealAfterMillis, sealed }) => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, sealAfterMillis })
    share(pool, { key: 'text' })
    await pass(50)
    await answer(driver.resource(1))
    share(pool, { key: 'text' })
    expect(share(pool).sentOn === undefined).toBe(sealed)
  })
})

describe('the hooks', () => {
  test('`begin` and `end` enclose requests, and are called with nothing in flight', async () => {
    const driver = sharingDriver({ share: [] })
    const pool = openPool(driver, { max: 1 })
    shareMany(pool, 3)
    await settled()
    await answer(driver.resource(1), 2)
    expect(driver.count('end')).toBe(0)
    await answer(driver.resource(1))
    expect(driver.calls.map(({ hook }) => hook)).toEqual(['create', 'watch', 'begin', 'end'])
    await pool.close()
  })

  test('`flush` is called once for each resource at the end of a tick', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    shareMany(pool, 2)
    await settled()
    shareMany(pool, 2)
    await settled()
    const before = driver.count('flush')
    expect(driver.open.map(({ unflushed }) => unflushed)).toEqual([0, 0])
    shareMany(pool, 2)
    expect(driver.count('flush')).toBe(before)
    await settled()
    expect(driver.count('flush')).toBe(before + 2)
  })

  test('a resource is flushed before it is lent, even if its requests ended in the same tick', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    share(pool)
    await settled()
    await answerAll(driver)
    const failed = pool.share((resource) => {
      resource.unflushed++
      throw new Error('too late to stop')
    })
    const lease = pool.acquire()
    await expect(failed).rejects.toThrow('too late to stop')
    expect((await lease).resource).toMatchObject({ unflushed: 0, sharing: false })
  })

  test('resources that the driver does not accept serve one request at a time, with a reset', async () => {
    const driver = sharingDriver({ hooks: ['reset'] })
    driver.accepting = false
    const pool = openPool(driver, { max: 1 })
    shareMany(pool, 3)
    await settled()
    expect(inFlightOn(driver)).toEqual([1])
    expect(pool.stats).toMatchObject({ borrowed: 1, shared: 0, inFlight: 1, waiting: 2 })
    await answerAll(driver)
    expect(driver.count('reset')).toBe(3)
    expect(driver.count('accepts')).toBe(1)
    for (const hook of ['begin', 'end', 'full', 'flush'] as const) {
      expect(driver.count(hook)).toBe(0)
    }
  })

  test.each([
    ['a driver that cannot share', () => new FakeDriver({ hooks: ['reset'] }), {}],
    ['`maxInFlight` 1', () => sharingDriver({ hooks: ['reset'] }), { maxInFlight: 1 }],
    ['a driver whose default is off', () => new FakeDriver({ share: [], hooks: ['reset'] }), {}],
  ])('with %s, a resource serves one request at a time', async (_, newDriver, options) => {
    const driver = newDriver()
    const pool = openPool(driver, { max: 2, ...options })
    shareMany(pool, 5)
    await settled()
    expect(inFlightOn(driver)).toEqual([1, 1])
    await answerAll(driver)
    expect(driver.count('reset')).toBe(5)
    expect(driver.count('begin')).toBe(0)
    expect(pool.stats).toMatchObject({ idle: 2, inFlight: 0 })
  })

  test('a throw in `begin` ends the resource, slows down the next create, and the request waits', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const errors: string[] = []
    pool.on('hookError', ({ hook }) => errors.push(hook))
    driver.plans.begin = 'throw'
    const request = share(pool)
    await settled()
    expect(driver.count('create')).toBe(1)
    driver.plans.begin = 'pass'
    await pass(5_000)
    expect(request.sentOn).toBe(driver.resource(2))
    expect(errors).toEqual(['share.begin'])
  })

  test.each(['flush', 'full'] as const)(
    'a throw in `%s` ends the resource and rejects its requests',
    async (hook) => {
      const driver = sharingDriver()
      const pool = openPool(driver, { max: 1 })
      const errors: string[] = []
      pool.on('hookError', ({ hook }) => errors.push(hook))
      const ends = endsOf(pool)
      const first = share(pool)
      await settled()
      driver.plans[hook] = 'throw'
      share(pool)
      await settled()
      expect(await errorOf(first.promise)).toBeInstanceOf(HookError)
      expect(errors).toContain(`share.${hook}`)
      expect(ends).toEqual(['broken'])
      expect(pool.stats).toMatchObject({ inFlight: hook === 'full' ? 1 : 0 })
    },
  )

  test('a throw in `end` ends the resource, and its answer stands', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    driver.plans.end = 'throw'
    const request = share(pool)
    await settled()
    driver.resource(1).answer('done')
    expect(await request.promise).toBe('done')
    await settled()
    expect(ends).toEqual(['broken'])
  })

  test('a throw in `accepts` is reported, and the resource is not shared', async () => {
    const driver = sharingDriver()
    const errors: string[] = []
    const pool = openPool(driver, { max: 1 }).on('hookError', ({ hook }) => errors.push(hook))
    driver.plans.accepts = 'throw'
    shareMany(pool, 2)
    await settled()
    expect(inFlightOn(driver)).toEqual([1])
    expect(errors).toEqual(['share.accepts'])
  })

  test('a resource keeps the process alive while requests are in flight', async () => {
    const driver = sharingDriver({ hooks: ['ref', 'unref'] })
    const pool = openPool(driver, { max: 1 })
    shareMany(pool, 2)
    await settled()
    expect(driver.resource(1)).toMatchObject({ refs: 1, unrefs: 0 })
    await answerAll(driver)
    expect(driver.resource(1)).toMatchObject({ refs: 1, unrefs: 1 })
  })
})

describe('`work`', () => {
  test('that throws rejects its caller and frees its place', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const error = new Error('bad parameter')
    const failed = pool.share(() => {
      throw error
    })
    expect(await errorOf(failed)).toBe(error)
    expect(pool.stats).toMatchObject({ idle: 1, shared: 0, inFlight: 0 })
  })

  test.each([undefined, null, 7, 'rows', {}])(
    'that returns %s instead of a promise rejects with a TypeError',
    async (value) => {
      const pool = openPool(sharingDriver(), { name: 'orders', max: 1 })
      const failed = pool.share(() => value as never)
      await expect(failed).rejects.toThrow(TypeError)
      await expect(failed).rejects.toThrow(
        /^Pool "orders", `share`: expected the function to return a promise, got /,
      )
      expect(pool.stats).toMatchObject({ idle: 1, inFlight: 0 })
    },
  )

  test.each([undefined, null, {}, 'select 1'])('%s is no work', async (work) => {
    const pool = openPool(sharingDriver())
    await expect(pool.share(work as never)).rejects.toThrow(
      /^Pool "fake": expected `share` to be given a function, got /,
    )
  })

  test('may return a promise of another make, which settles more than once', async () => {
    const pool = openPool(sharingDriver(), { max: 1 })
    const thenable = {
      // oxlint-disable-next-line unicorn/no-thenable -- the point of the test
      then: (resolve: (value: string) => void, reject: (error: Error) => void) => {
        resolve('first')
        resolve('second')
        reject(new Error('third'))
        throw new Error('fourth')
      },
    }
    expect(await pool.share(() => thenable as unknown as Promise<string>)).toBe('first')
    expect(pool.stats).toMatchObject({ idle: 1, inFlight: 0 })
  })

  test('runs in the async context of its caller, also if it had to wait', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const storage = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const work = (resource: { request(): Promise<unknown> }): Promise<unknown> => {
      seen.push(storage.getStore())
      return resource.request()
    }
    const callers = ['a', 'b', 'c', 'd', 'e', 'f']
    for (const caller of callers) storage.run(caller, () => void pool.share(work))
    await settled()
    await answerAll(driver)
    expect(seen).toEqual(callers)
  })

  test('may use the pool', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    const inner: Promise<unknown>[] = []
    const outer = pool.share((resource) => {
      inner.push(
        share(pool).promise,
        pool.use(async () => 'exclusive'),
      )
      pool.recycle()
      return resource.request()
    })
    await settled()
    await answerAll(driver)
    await outer
    expect(await Promise.all(inner)).toEqual([undefined, 'exclusive'])
  })

  test('that rejects rejects its caller only', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const [first, second] = shareMany(pool, 2)
    await settled()
    driver.resource(1).requests[0]?.fail(new Error('duplicate key'))
    await expect(first?.promise).rejects.toThrow('duplicate key')
    await answer(driver.resource(1))
    expect(second?.outcome.state).toBe('fulfilled')
    expect(driver.open.length).toBe(1)
  })
})

describe('a caller that gives up', () => {
  test('before its request is sent leaves the queue', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxInFlight: 2 })
    shareMany(pool, 2)
    await settled()
    const controller = new AbortController()
    const third = share(pool, { signal: controller.signal })
    const fourth = share(pool)
    controller.abort(new Error('gone'))
    await expect(third.promise).rejects.toThrow('gone')
    await answer(driver.resource(1))
    expect(third.sentOn).toBeUndefined()
    expect(fourth.sentOn).toBe(driver.resource(1))
  })

  test('after its request is sent is rejected at once, and the place stays taken', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxInFlight: 2 })
    const controller = new AbortController()
    const first = share(pool, { signal: controller.signal })
    share(pool)
    await settled()
    controller.abort(new Error('gone'))
    await expect(first.promise).rejects.toThrow('gone')
    expect(pool.stats.inFlight).toBe(2)
    const third = share(pool)
    await settled()
    expect(third.sentOn).toBeUndefined()
    await answer(driver.resource(1))
    expect(third.sentOn).toBe(driver.resource(1))
    await answerAll(driver)
    await pass(10_000)
    expect(driver.resource(1).open).toBe(true)
  })

  test('for good makes a resource that does not answer end after 3 seconds, without a goodbye', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    const controller = new AbortController()
    shareMany(pool, 2, { signal: controller.signal })
    await settled()
    controller.abort()
    await pass(2_900)
    expect(driver.resource(1).open).toBe(true)
    await pass(200)
    expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
    expect(ends).toEqual(['broken'])
    expect(pool.stats).toMatchObject({ size: 0, inFlight: 0, shared: 0 })
  })

  test('does not end a resource on which another caller waits', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const controller = new AbortController()
    share(pool, { signal: controller.signal })
    const other = share(pool)
    await settled()
    controller.abort()
    await pass(10_000)
    expect(driver.resource(1).open).toBe(true)
    await answer(driver.resource(1), 2)
    expect(other.outcome.state).toBe('fulfilled')
  })

  test('with a signal that has aborted already sends nothing', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver)
    const request = share(pool, { signal: AbortSignal.abort(new Error('early')) })
    await expect(request.promise).rejects.toThrow('early')
    expect(driver.count('create')).toBe(0)
  })

  test('`timeoutMillis` bounds the wait, not the answer', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxInFlight: 2 })
    const sent = shareMany(pool, 2, { timeoutMillis: 100 })
    await settled()
    const late = share(pool, { timeoutMillis: 100 })
    await pass(150)
    const error = await errorOf(late.promise)
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    expect(error).toMatchObject({ phase: 'waiting', stats: { shared: 1, inFlight: 2, waiting: 1 } })
    expect(String(error)).toContain('shared 1, in flight 2')
    await answerAll(driver)
    for (const { outcome } of sent) expect(outcome.state).toBe('fulfilled')
  })

  test('`maxWaitingClients` counts requests that nothing has room for', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxInFlight: 2, maxWaitingClients: 0 })
    shareMany(pool, 2)
    await settled()
    await expect(pool.share((resource) => resource.request())).rejects.toThrow(QueueFullError)
    await answer(driver.resource(1))
    expect(share(pool).sentOn).toBe(driver.resource(1))
  })

  test.each([
    { key: 7 },
    { seal: 'yes' },
    { signal: 'none' },
    { timeoutMillis: -1 },
    { priority: NaN },
    { text: 'select 1' },
  ])('the option %o is wrong', async (options) => {
    const pool = openPool(sharingDriver())
    await expect(pool.share(() => Promise.resolve(), options as never)).rejects.toThrow(
      /^Pool "fake", `share`: /,
    )
  })

  test('on a closed pool is rejected', async () => {
    const pool = openPool(sharingDriver())
    await pool.close()
    await expect(pool.share(() => Promise.resolve())).rejects.toThrow(PoolClosedError)
  })
})

test.each([
  [{ begin: nothing }, /^Driver "odd", `share`: expected `end` to be a function/],
  [
    { begin: nothing, end: nothing, flush: 7 },
    /^Driver "odd", `share`: expected `flush` to be a function/,
  ],
  [
    { begin: nothing, end: nothing, maxInFlight: 0 },
    /^Driver "odd", `share`: expected `maxInFlight` to be a whole number/,
  ],
  [true, /^Driver "odd": expected `share` to be an object, got/],
])('the hooks %o for sharing are refused', (share, message) => {
  const driver = Object.assign(new FakeDriver(), { name: 'odd', share })
  expect(() => openPool(driver as never)).toThrow(message)
})
