import { channel } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { PoolClosedError, StaleResourceError } from '../src/index.ts'
import { endsOf, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import {
  answer,
  answerAll,
  inFlightOn,
  share,
  shareMany,
  sharingDriver,
  sorted,
} from './support/requests.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'
import { unhandledIn } from './support/uncaught.ts'

useFakeTime()

describe('a shared resource gets no more requests, and ends once it is empty,', () => {
  test('after `maxLifetimeMillis`', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxLifetimeMillis: 1_000 })
    const ends = endsOf(pool)
    shareMany(pool, 2)
    await settled()
    await pass(1_100)
    const late = share(pool)
    await answer(driver.resource(1))
    expect(late.sentOn).toBeUndefined()
    expect(driver.resource(1).open).toBe(true)
    await answer(driver.resource(1))
    expect(ends).toEqual(['lifetime'])
    expect(late.sentOn).toBe(driver.resource(2))
  })

  test('after `maxUses` requests', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1, maxUses: 2 })
    const ends = endsOf(pool)
    const [, , third] = shareMany(pool, 3)
    await settled()
    expect(inFlightOn(driver)).toEqual([2])
    await answer(driver.resource(1), 2)
    expect(ends).toEqual(['uses'])
    expect(third?.sentOn).toBe(driver.resource(2))
  })

  test('after `recycle`', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    const ends = endsOf(pool)
    shareMany(pool, 2)
    await settled()
    pool.recycle()
    const third = share(pool)
    await settled()
    expect(third.sentOn).toBeUndefined()
    await answer(driver.resource(1))
    expect(ends).toEqual(['recycle'])
    expect(driver.resource(1)).toMatchObject({ sharing: false })
    expect(third.sentOn).toBe(driver.resource(3))
  })

  test('after the driver has retired it', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    const [first] = shareMany(pool, 2)
    await settled()
    driver.resource(1).retire()
    const third = share(pool)
    await answer(driver.resource(1))
    expect(first?.outcome.state).toBe('fulfilled')
    expect(third.sentOn).toBeUndefined()
    await answer(driver.resource(1))
    expect(ends).toEqual(['retire'])
    expect(third.sentOn).toBe(driver.resource(2))
  })

  test('after `resize`, as many as are beyond `max`', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 3 })
    const ends = endsOf(pool)
    shareMany(pool, 3)
    await settled()
    share(pool)
    pool.resize({ max: 1 })
    const requests = shareMany(pool, 2)
    await settled()
    const [kept] = new Set(requests.map(({ sentOn }) => sentOn))
    expect(kept).toBeDefined()
    expect(sorted(inFlightOn(driver))).toEqual([1, 1, 3])
    for (const resource of driver.open) if (resource !== kept) await answer(resource)
    expect(ends).toEqual(['resize', 'resize'])
    await answerAll(driver)
    expect(pool.stats).toMatchObject({ size: 1, idle: 1 })
  })
})

test('idle time begins when the last request is answered', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1, idleTimeoutMillis: 1_000 })
  share(pool)
  await pass(5_000)
  await answer(driver.resource(1))
  await pass(900)
  expect(driver.resource(1).open).toBe(true)
  await pass(200)
  expect(driver.resource(1).open).toBe(false)
})

describe('a resource that dies', () => {
  test('rejects every request in flight, and none is sent again', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const sent = shareMany(pool, 3)
    const unsent = share(pool)
    await settled()
    const error = new Error('connection reset')
    driver.resource(1).lose(error)
    for (const { promise } of sent) expect(await errorOf(promise)).toBe(error)
    await settled()
    expect(sent.map(({ sentOn }) => sentOn)).toEqual(Array(3).fill(driver.resource(1)))
    expect(unsent.sentOn).toBe(driver.resource(2))
    expect(pool.stats).toMatchObject({ size: 1, shared: 1, inFlight: 1 })
  })

  test('ignores what its client says afterwards', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const unhandled = await unhandledIn(async () => {
      shareMany(pool, 3)
      await settled()
      const requests = [...driver.resource(1).requests]
      driver.resource(1).lose()
      requests[0]?.answer('late')
      requests[1]?.fail(new Error('late'))
      await settled()
    })
    expect(unhandled).toEqual([])
    expect(pool.stats).toMatchObject({ size: 0, shared: 0, inFlight: 0 })
  })

  test('in `work` is not shared any more', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const lost = pool.share((resource) => {
      resource.lose(new Error('at once'))
      return resource.request()
    })
    await expect(lost).rejects.toThrow('at once')
    await settled()
    expect(pool.stats).toMatchObject({ size: 0, shared: 0, inFlight: 0 })
  })

  test('while it drains for a holder makes room for another one', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    shareMany(pool, 2)
    await settled()
    const lease = follow(pool.acquire())
    await settled()
    driver.resource(1).lose()
    driver.resource(2).lose()
    await settled()
    expect(lease.outcome.state).toBe('fulfilled')
  })
})

describe('a hook', () => {
  test.each(['accepts', 'begin'] as const)(
    '`%s` during which the resource dies sends nothing on it',
    async (hook) => {
      const driver = sharingDriver()
      const pool = openPool(driver, { max: 1 })
      driver.onCall = (called, resource) => {
        if (called === hook && resource?.id === 1) resource.lose()
      }
      const request = share(pool)
      await settled()
      await pass(1_000)
      expect(request.sentOn).toBe(driver.resource(2))
    },
  )

  test('`begin` during which the resource dies lets the request go behind another', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2, maxWaitingClients: 0 })
    for (const lease of [await pool.acquire(), await pool.acquire()]) lease.release()
    driver.plans.destroy = 'hang'
    driver.onCall = (hook, resource) => {
      if (hook === 'begin' && driver.count('begin') === 2) resource?.lose()
    }
    const first = share(pool)
    const second = share(pool)
    expect(second.sentOn).toBe(first.sentOn)
    await answerAll(driver)
  })

  test('`ref` during which the resource dies sends nothing on it, also if it was shared before', async () => {
    const driver = sharingDriver({ hooks: ['watch', 'ref', 'unref'] })
    const pool = openPool(driver, { max: 1, allowExitOnIdle: true })
    share(pool)
    await settled()
    await answer(driver.resource(1))
    driver.onCall = (hook, resource) => {
      if (hook === 'ref' && resource?.id === 1) resource.lose()
    }
    const request = share(pool)
    await settled()
    expect(request.sentOn).toBe(driver.resource(2))
  })

  test('`begin` during which the only request is withdrawn leaves the resource idle', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const controller = new AbortController()
    driver.onCall = (hook) => {
      if (hook === 'begin') controller.abort(new Error('withdrawn'))
    }
    const request = share(pool, { signal: controller.signal })
    expect(await errorOf(request.promise)).toEqual(new Error('withdrawn'))
    await settled()
    expect(request.sentOn).toBeUndefined()
    expect(pool.stats).toMatchObject({ idle: 1, shared: 0 })
    expect(driver.resource(1).sharing).toBe(false)
  })

  test('`flush` that fails after the last answer ends the resource', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const ends = endsOf(pool)
    share(pool)
    await settled()
    await answer(driver.resource(1))
    driver.plans.flush = 'throw'
    await Promise.resolve()
    // It is answered before the end of this tick.
    expect(await pool.share(() => Promise.resolve('answer'))).toBe('answer')
    await settled()
    expect(ends).toEqual(['broken'])
    expect(driver.count('end')).toBe(1)
  })
})

test('a request with a key that fails is not measured', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1 })
  const [failing, following] = [share(pool, { key: 'a' }), share(pool, { key: 'a' })]
  await settled()
  driver.resource(1).requests[0]?.fail()
  expect(await errorOf(failing.promise)).toEqual(new Error('the request failed'))
  await answerAll(driver)
  expect(following.outcome.state).toBe('fulfilled')
  expect(pool.stats).toMatchObject({ inFlight: 0, idle: 1 })
})

describe('`close`', () => {
  test('waits for requests in flight and in the queue', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const requests = shareMany(pool, 5)
    await settled()
    const closed = follow(pool.close())
    await answer(driver.resource(1), 3)
    expect(closed.outcome.state).toBe('pending')
    expect(driver.resource(1).closing).toBe(false)
    await answerAll(driver)
    expect(requests.map(({ outcome }) => outcome.state)).toEqual(Array(5).fill('fulfilled'))
    expect(closed.outcome.state).toBe('fulfilled')
    expect(driver.resource(1)).toMatchObject({ destroys: 1, sharing: false })
  })

  test('rejects them past its deadline', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 1 })
    const requests = shareMany(pool, 5)
    await settled()
    const closed = follow(pool.close({ deadlineMillis: 100 }))
    await pass(150)
    for (const { promise } of requests) {
      expect(await errorOf(promise)).toBeInstanceOf(PoolClosedError)
    }
    expect(closed.outcome.state).toBe('fulfilled')
    expect(pool.stats).toMatchObject({ size: 0, shared: 0, inFlight: 0, waiting: 0 })
  })
})

describe('a change of process', () => {
  test.each(['hook', 'fork'] as const)(
    'noticed by %s rejects every request, and nothing is flushed',
    async (how) => {
      const driver = sharingDriver()
      const world = new FakeProcess()
      const pool = world.pool(driver, { max: 1 })
      const sent = shareMany(pool, 2)
      await settled()
      const flushes = driver.count('flush')
      const corked = share(pool)
      const unsent = share(pool)
      expect(corked.sentOn).toBe(driver.resource(1))
      world[how]()
      await settled()
      for (const { promise } of [...sent, corked, unsent]) {
        expect(await errorOf(promise)).toBeInstanceOf(StaleResourceError)
      }
      expect(driver.count('flush')).toBe(flushes)
      expect(driver.count('end')).toBe(0)
      expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
      expect(unsent.sentOn).toBeUndefined()
      expect(pool.stats).toMatchObject({ size: 0, shared: 0, inFlight: 0, waiting: 0 })
    },
  )

  test('is noticed at an answer, which is not passed on', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    const request = share(pool)
    await settled()
    world.fork()
    driver.resource(1).answer('eaten')
    expect(await errorOf(request.promise)).toBeInstanceOf(StaleResourceError)
  })

  test('leaves the pool usable: the next request opens a resource', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    share(pool)
    await settled()
    world.hook()
    const next = share(pool)
    await settled()
    expect(next.sentOn).toBe(driver.resource(2))
    expect(pool.stats).toMatchObject({ generation: 2, shared: 1, inFlight: 1 })
  })

  test('in the middle of `work` discards what it sent', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    const forked = pool.share((resource) => {
      world.fork()
      return resource.request()
    })
    expect(await errorOf(forked)).toBeInstanceOf(StaleResourceError)
    expect(driver.count('flush')).toBe(0)
    expect(driver.resource(1).discards).toBe(1)
  })

  test('is noticed when a resource comes back to a waiting request', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    const lease = await pool.acquire()
    // The clocks, and with them the process, are not read at each use of a burst.
    const waiting = shareMany(pool, 50)
    world.fork()
    lease.release()
    for (const { promise } of waiting) {
      expect(await errorOf(promise)).toBeInstanceOf(StaleResourceError)
    }
    expect(driver.count('begin')).toBe(0)
    expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
  })

  test('is noticed by the watch for abandoned requests', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    const controller = new AbortController()
    share(pool, { signal: controller.signal })
    await settled()
    controller.abort()
    world.fork()
    await pass(5_000)
    expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
    expect(pool.stats).toMatchObject({ size: 0, destroyed: { broken: 0 } })
  })

  test('ends the watch for abandoned requests', async () => {
    const driver = sharingDriver()
    const world = new FakeProcess()
    const pool = world.pool(driver, { max: 1 })
    const controller = new AbortController()
    share(pool, { signal: controller.signal })
    await settled()
    controller.abort()
    world.hook()
    await pass(5_000)
    expect(driver.resource(1)).toMatchObject({ discards: 1, destroys: 0 })
  })
})

test('the channel of acquires tells when a request is sent, and why one is not', async () => {
  const messages: object[] = []
  const listen = (message: unknown): void => {
    messages.push(message as object)
  }
  const acquires = channel('forksafe:acquire')
  acquires.subscribe(listen)
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1 })
  const request = share(pool)
  await settled()
  await answerAll(driver)
  expect(request.outcome.state).toBe('fulfilled')
  const late = share(pool, { signal: AbortSignal.abort(new Error('gone')) })
  await errorOf(late.promise)
  await expect(pool.share(undefined as never)).rejects.toThrow(TypeError)
  const failing = share(pool)
  driver.resource(1).requests[0]?.fail()
  await errorOf(failing.promise)
  acquires.unsubscribe(listen)
  expect(messages).toMatchObject([
    { pool: 'fake', generation: 1, durationMillis: 0, waited: true },
    { pool: 'fake', error: new Error('gone'), durationMillis: 0, waited: false },
    { pool: 'fake', generation: 1, durationMillis: 0, waited: false },
  ])
})
