import { describe, expect, test } from 'vitest'
import type { FakeDriver, FakeResource } from './support/fake-driver.ts'
import { type FakePool, openPool } from './support/pools.ts'
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

useFakeTime()

/** Opens a pool whose resources are all shared, with as many requests in flight on each. */
async function openShared(
  driver: FakeDriver,
  max: number,
  requests: number,
  options: { readonly maxWaitingClients?: number } = {},
): Promise<FakePool> {
  const pool = openPool(driver, { max, ...options })
  for (let i = 0; i < requests; i++) {
    shareMany(pool, max)
    await settled()
  }
  expect(inFlightOn(driver)).toEqual(Array.from({ length: max }, () => requests))
  return pool
}

describe('a caller of `acquire`', () => {
  test('gets an idle resource, although others are shared', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 2, 1)
    await answer(driver.resource(2))
    const { resource } = await pool.acquire()
    expect(resource).toBe(driver.resource(2))
    expect(pool.stats).toMatchObject({ borrowed: 1, shared: 1 })
  })

  test('has another resource opened before a shared one is reserved', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 2 })
    share(pool)
    await settled()
    const { resource } = await pool.acquire()
    expect(resource).toBe(driver.resource(2))
  })

  test('reserves the resource with the fewest in flight, which drains and is then lent', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 2, 2)
    await answer(driver.resource(2))
    const lease = follow(pool.acquire())
    const request = share(pool)
    await settled()
    expect(request.sentOn).toBe(driver.resource(1))
    expect(lease.outcome.state).toBe('pending')
    await answer(driver.resource(2))
    expect(lease.outcome).toMatchObject({ state: 'fulfilled' })
    expect(driver.resource(2)).toMatchObject({ sharing: false })
    expect(pool.stats).toMatchObject({ borrowed: 1, shared: 1 })
  })

  test('that gives up leaves the resource to requests', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 2, 2)
    await answer(driver.resource(2))
    const controller = new AbortController()
    const lease = pool.acquire({ signal: controller.signal })
    controller.abort(new Error('gone'))
    await errorOf(lease)
    expect(share(pool).sentOn).toBe(driver.resource(2))
  })

  test('gets whichever resource is free first, and its reservation ends', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 3, 1)
    await answer(driver.resource(3))
    const held = await pool.acquire()
    const lease = follow(pool.acquire())
    held.release()
    await settled()
    expect(lease.outcome.state).toBe('fulfilled')
    const requests = shareMany(pool, 4)
    await settled()
    expect(sorted(requests.map(({ sentOn }) => sentOn?.id ?? 0))).toEqual([1, 1, 2, 2])
  })

  test('never reserves the last resource that requests use', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 2, 2)
    const leases = [follow(pool.acquire()), follow(pool.acquire())]
    await settled()
    // A work that calls the pool can go on.
    const [first] = driver.resources
    for (let i = 0; i < 10; i++) {
      const request = share(pool)
      await settled()
      expect(request.sentOn).toBeDefined()
      await answer(request.sentOn as FakeResource)
    }
    expect(first).toBeDefined()
    for (const resource of driver.open) {
      while (resource.requests.length > 1) await answer(resource)
    }
    expect(leases.filter(({ outcome }) => outcome.state === 'fulfilled').length).toBe(0)
    const reserved = share(pool).sentOn === driver.resource(1) ? 2 : 1
    await answer(driver.resource(reserved))
    expect(leases.map(({ outcome }) => outcome.state)).toEqual(['fulfilled', 'pending'])
  })

  test('does not reserve the last one that stays, although another one drains', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 2, 2)
    driver.resource(1).retire()
    const lease = follow(pool.acquire())
    expect(share(pool).sentOn).toBe(driver.resource(2))
    await answer(driver.resource(1), 2)
    expect(lease.outcome).toMatchObject({ state: 'fulfilled', value: { resource: { id: 3 } } })
  })

  test('reserves the only resource of a pool of one', async () => {
    const driver = sharingDriver()
    const pool = await openShared(driver, 1, 2)
    const lease = follow(pool.acquire())
    const request = share(pool)
    await answer(driver.resource(1), 2)
    expect(lease.outcome.state).toBe('fulfilled')
    expect(request.sentOn).toBeUndefined()
    if (lease.outcome.state === 'fulfilled') lease.outcome.value.release()
    await settled()
    expect(request.sentOn).toBe(driver.resource(1))
  })

  test('does not wait for a resource that cannot be opened', async () => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: 3 })
    share(pool)
    await settled()
    share(pool)
    await settled()
    driver.plans.create = 'reject'
    const lease = follow(pool.acquire())
    await settled()
    shareMany(pool, 4)
    await answer(driver.resource(1))
    await answer(driver.resource(2))
    const empty = driver.open.filter(({ requests }) => requests.length === 0)
    if (empty.length === 0) await answerAll(driver)
    await settled()
    expect(lease.outcome.state).toBe('fulfilled')
  })
})

test('the oldest caller gets a resource that is released, whichever kind it is', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1 })
  const order: string[] = []
  const held = await pool.acquire()
  const work = (name: string) => async (): Promise<void> => {
    order.push(name)
  }
  const all = Promise.all([
    pool.share(work('request 1')),
    pool.use(work('holder 1')),
    pool.share(work('request 2')),
    pool.share(work('request 3')),
    pool.use(work('holder 2')),
    pool.share(work('request 4'), { priority: -1 }),
  ])
  held.release()
  await all
  expect(order).toEqual([
    'request 4',
    'request 1',
    'holder 1',
    'request 2',
    'request 3',
    'holder 2',
  ])
})

test('a lone resource can be exclusive between requests that wait', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1 })
  const held = await pool.acquire()
  shareMany(pool, 2)
  const lease = follow(pool.acquire())
  shareMany(pool, 2)
  held.release()
  await settled()
  // Those behind the holder do not overtake.
  expect(inFlightOn(driver)).toEqual([2])
  await answer(driver.resource(1), 2)
  expect(lease.outcome.state).toBe('fulfilled')
})

/** Runs callers in a closed loop for some rounds. In each round, every request in flight is answered, and every lease is released. */
async function compete(
  driver: FakeDriver,
  pool: FakePool,
  { sharers, holders, rounds }: { sharers: number; holders: number; rounds: number },
): Promise<{ requests: number; leases: number; longestWait: number }> {
  const done = { requests: 0, leases: 0, longestWait: 0 }
  let round = 0
  const state = { over: false, ended: false }
  let release: (() => void)[] = []
  const waited = (since: number): void => {
    done.longestWait = Math.max(done.longestWait, round - since)
  }
  const sharer = async (): Promise<void> => {
    while (!state.over) {
      const since = round
      await pool.share((resource) => {
        waited(since)
        return resource.request()
      })
      done.requests++
    }
  }
  const holder = async (): Promise<void> => {
    while (!state.over) {
      const since = round
      const lease = await pool.acquire()
      waited(since)
      await new Promise<void>((resolve) => {
        release.push(resolve)
      })
      lease.release()
      done.leases++
    }
  }
  const callers = [
    ...Array.from({ length: sharers }, sharer),
    ...Array.from({ length: holders }, holder),
  ]
  const turn = async (): Promise<void> => {
    await settled()
    for (const resource of driver.open) resource.answerAll()
    const due = release
    release = []
    for (const end of due) end()
    await pass(1)
  }
  for (; round < rounds; round++) await turn()
  state.over = true
  const all = Promise.all(callers).then(() => {
    state.ended = true
  })
  while (!state.ended) await turn()
  await all
  return done
}

describe('neither side starves', () => {
  test.each([
    { max: 4, sharers: 100, holders: 4 },
    { max: 4, sharers: 4, holders: 100 },
    { max: 2, sharers: 50, holders: 50 },
    { max: 1, sharers: 20, holders: 5 },
    { max: 10, sharers: 1_000, holders: 1 },
    { max: 10, sharers: 1, holders: 100 },
  ])('$sharers sharers and $holders holders on $max resources', async (setup) => {
    const driver = sharingDriver()
    const pool = openPool(driver, { max: setup.max })
    const rounds = 150
    const { requests, leases, longestWait } = await compete(driver, pool, { ...setup, rounds })
    // One order of arrival: nobody waits for longer than it takes to serve all others, three at a time or one by one.
    const bound = 10 + 2 * (setup.sharers / 3 + setup.holders)
    expect(longestWait).toBeLessThan(bound)
    expect(leases).toBeGreaterThan((setup.holders * rounds) / bound / 2)
    expect(requests).toBeGreaterThan((setup.sharers * rounds) / bound / 2)
    expect(pool.stats).toMatchObject({ borrowed: 0, shared: 0, inFlight: 0, waiting: 0 })
  })
})

test('requests with many priorities are sent in their order', async () => {
  const driver = sharingDriver()
  const pool = openPool(driver, { max: 1, maxInFlight: 1 })
  const held = await pool.acquire()
  const sent: string[] = []
  const requests = [0, 2, 1, 0, 2, -1, 0, 1, -1].map((priority, at) =>
    pool.share(
      async () => {
        sent.push(`${priority}: ${at}`)
      },
      { priority },
    ),
  )
  held.release()
  await Promise.all(requests)
  expect(sent).toEqual(['-1: 5', '-1: 8', '0: 0', '0: 3', '0: 6', '1: 2', '1: 7', '2: 1', '2: 4'])
})
