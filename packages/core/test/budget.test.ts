import { describe, expect, test } from 'vitest'
import {
  AcquireTimeoutError,
  type Budget,
  BudgetError,
  CreateError,
  type Member,
  type Permit,
  type Seat,
  sharedBudget,
} from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { acquireMany, endsOf, openIdle, openPool } from './support/pools.ts'
import { FakeProcess } from './support/process.ts'
import { errorOf, pass, useFakeTime } from './support/time.ts'

useFakeTime()

interface FakeBudget extends Budget {
  readonly members: Member[]
  /** Requests that are neither granted nor withdrawn. */
  readonly requests: { readonly grant: (permit?: Partial<Permit>) => void }[]
  granted: number
  released: number
  left: number
  abandoned: number
}

/** A budget that grants what the test says. With `freely`, every request at once. */
function fakeBudget(freely?: Partial<Permit>): FakeBudget {
  const budget: FakeBudget = {
    members: [],
    requests: [],
    granted: 0,
    released: 0,
    left: 0,
    abandoned: 0,
    join(member) {
      budget.members.push(member)
      return {
        request: (signal) =>
          new Promise((resolve) => {
            const request = {
              grant: (permit: Partial<Permit> = {}) => {
                budget.requests.splice(budget.requests.indexOf(request), 1)
                budget.granted++
                resolve({ release: () => void budget.released++, ...permit })
              },
            }
            budget.requests.push(request)
            signal.addEventListener('abort', () => {
              const place = budget.requests.indexOf(request)
              if (place >= 0) budget.requests.splice(place, 1)
            })
            if (freely !== undefined) request.grant(freely)
          }),
        leave: () => void budget.left++,
        abandon: () => void budget.abandoned++,
      }
    },
  }
  return budget
}

function memberOf(budget: FakeBudget, index = 0): Member {
  const member = budget.members[index]
  if (member === undefined) throw new Error('Nobody has joined.')
  return member
}

describe('a pool with a budget', () => {
  test('opens nothing without a permit, and says what it lacks', async () => {
    const driver = new FakeDriver()
    const budget = fakeBudget()
    const pool = openPool(driver, { budget, max: 3 })
    const leases = acquireMany(pool, 5)
    await pass(10)
    expect(driver.resources).toHaveLength(0)
    expect(pool.stats).toMatchObject({ permits: 0, wanted: 3, size: 0, waiting: 5 })
    expect(budget.requests).toHaveLength(1)
    budget.requests[0]?.grant()
    await pass(1)
    expect(pool.stats).toMatchObject({ permits: 1, wanted: 2, borrowed: 1 })
    const rejected = errorOf(leases)
    const closed = pool.close({ deadlineMillis: 0 })
    await pass(10)
    await closed
    expect(await rejected).toMatchObject({ code: 'FORKSAFE_POOL_CLOSED' })
    expect(budget).toMatchObject({ granted: 1, released: 1, left: 1 })
  })

  test('lends a resource only once its permit is bound', async () => {
    let bind!: (bound: boolean) => void
    const budget = fakeBudget({ bind: () => new Promise((resolve) => (bind = resolve)) })
    const pool = openPool(new FakeDriver(), { budget, max: 1 })
    const lease = pool.acquire()
    await pass(5)
    expect(pool.stats).toMatchObject({ borrowed: 0, creating: 1 })
    bind(true)
    expect((await lease).active).toBe(true)
  })

  test('ends a refused resource and tries again after a pause, without a failure', async () => {
    let bound = false
    const driver = new FakeDriver()
    const budget = fakeBudget({ bind: () => Promise.resolve(bound) })
    const pool = openPool(driver, { budget, max: 1 })
    const ends = endsOf(pool)
    const failures: unknown[] = []
    pool.on('createError', (failure) => failures.push(failure))
    const lease = pool.acquire()
    await pass(1_000)
    const tries = driver.resources.length
    expect(tries).toBeGreaterThan(3)
    expect(tries).toBeLessThan(500)
    expect(budget.granted - budget.released).toBeLessThanOrEqual(1)
    bound = true
    await pass(100)
    expect((await lease).active).toBe(true)
    expect(new Set(ends)).toEqual(new Set(['budget']))
    expect(failures).toEqual([])
    expect(budget.granted - budget.released).toBe(1)
  })

  test('treats a rejected request and a rejected bind as failed creates', async () => {
    for (const budget of [
      {
        join: () => ({
          request: () => Promise.reject(new Error('down')),
          leave() {},
          abandon() {},
        }),
      },
      fakeBudget({ bind: () => Promise.reject(new Error('down')) }),
    ]) {
      const pool = openPool(new FakeDriver(), { budget, acquireTimeoutMillis: 500 })
      const failed = errorOf(pool.acquire())
      await pass(500)
      expect(await failed).toMatchObject({ phase: 'creating', cause: { message: 'down' } })
    }
  })

  test('rejects its callers at once if the budget cannot work', async () => {
    const bind = (): Promise<boolean> => Promise.reject(new BudgetError('wrong mode'))
    const budget = fakeBudget({ bind })
    const pool = openPool(new FakeDriver(), { budget })
    const failed = errorOf(pool.acquire())
    await pass(0)
    expect(await failed).toBeInstanceOf(CreateError)
    expect(budget.granted - budget.released).toBe(0)
  })

  test('names the budget in a timeout', async () => {
    const pool = openPool(new FakeDriver(), { budget: fakeBudget(), acquireTimeoutMillis: 100 })
    const failed = errorOf(pool.acquire())
    await pass(100)
    const error = await failed
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    expect(error).toMatchObject({ phase: 'budget', holders: [], stats: { permits: 0, wanted: 1 } })
  })

  test('withdraws a request that nobody needs any more, and releases a late permit', async () => {
    const budget = fakeBudget()
    const pool = openPool(new FakeDriver(), { budget })
    const aborter = new AbortController()
    const given = errorOf(pool.acquire({ signal: aborter.signal }))
    await pass(0)
    const [request] = budget.requests
    aborter.abort()
    await given
    expect(budget.requests).toEqual([])
    expect(pool.stats.wanted).toBe(0)
    request?.grant()
    await pass(0)
    expect(budget).toMatchObject({ granted: 1, released: 1 })
  })

  test('releases a permit that arrives after the callers were served otherwise', async () => {
    const budget = fakeBudget()
    const driver = new FakeDriver()
    const pool = openPool(driver, { budget })
    const first = pool.acquire()
    await pass(0)
    budget.requests[0]?.grant()
    const lease = await first
    const second = pool.acquire()
    await pass(0)
    const [request] = budget.requests
    lease.release()
    await second
    request?.grant()
    await pass(0)
    expect(budget).toMatchObject({ granted: 2, released: 1 })
    expect(driver.resources).toHaveLength(1)
  })

  test('counts no failure if a withdrawn request is rejected', async () => {
    const seat: Seat = {
      request: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
      leave() {},
      abandon() {},
    }
    const pool = openPool(new FakeDriver(), { budget: { join: () => seat } })
    const failures: unknown[] = []
    pool.on('createError', (failure) => failures.push(failure))
    const aborter = new AbortController()
    const given = errorOf(pool.acquire({ signal: aborter.signal }))
    await pass(0)
    aborter.abort()
    await given
    await pass(1_000)
    expect(failures).toEqual([])
  })

  test('joins, leaves and abandons no budget that it has not used', async () => {
    const process = new FakeProcess()
    const budget = fakeBudget()
    const pool = process.pool(new FakeDriver(), { budget })
    process.fork()
    process.hook()
    await pool.close()
    expect(budget).toMatchObject({ members: [], left: 0, abandoned: 0 })
  })

  test('reports a create that hangs while another permit lacks', async () => {
    const budget = fakeBudget()
    const driver = new FakeDriver()
    driver.plans.create = 'hang'
    const pool = openPool(driver, { budget, acquireTimeoutMillis: 100 })
    const failed = [errorOf(pool.acquire()), errorOf(pool.acquire())]
    await pass(0)
    budget.requests[0]?.grant()
    await pass(0)
    expect(budget.requests).toHaveLength(1)
    await pass(100)
    expect(await failed[0]).toMatchObject({ phase: 'creating', holders: [] })
    await Promise.all(failed)
  })

  test('returns a permit only once the resource is gone', async () => {
    const driver = new FakeDriver()
    const budget = fakeBudget({})
    const pool = openPool(driver, { budget })
    const lease = await pool.acquire()
    driver.plans.destroy = 'hang'
    lease.destroy()
    await pass(0)
    expect(budget.released).toBe(0)
    expect(pool.stats.permits).toBe(1)
    driver.settle('destroy')
    await pass(0)
    expect(budget.released).toBe(1)
    expect(pool.stats.permits).toBe(0)
  })

  test('gives an idle resource to a member with less, but none of its `min`', async () => {
    const budget = fakeBudget({})
    const pool = openPool(new FakeDriver(), { budget, min: 1 })
    const ends = endsOf(pool)
    await openIdle(pool, 3)
    const member = memberOf(budget)
    expect(member).toMatchObject({ name: 'fake', held: 3, min: 1, waiting: 0 })
    expect(member.give(3)).toBe(false)
    expect(member.give(2)).toBe(true)
    expect(member.give(0)).toBe(true)
    expect(member.give(0)).toBe(false)
    await pass(0)
    expect(ends).toEqual(['budget', 'budget'])
    expect(pool.stats).toMatchObject({ size: 1, permits: 1 })
  })

  test('owes the next released resource to a member with two less', async () => {
    const budget = fakeBudget({})
    const pool = openPool(new FakeDriver(), { budget })
    const ends = endsOf(pool)
    const leases = await acquireMany(pool, 3)
    const member = memberOf(budget)
    expect(member.give(2)).toBe(false)
    expect(member.give(1)).toBe(true)
    expect(member.held).toBe(2)
    expect(member.give(1)).toBe(false)
    // While it owes one, it opens no other.
    const late = pool.acquire()
    await pass(10)
    expect(pool.stats.size).toBe(3)
    leases[0]?.release()
    await pass(0)
    expect(ends).toEqual(['budget'])
    leases[1]?.release()
    expect((await late).active).toBe(true)
  })

  test('owes a resource that ended for another reason no second time', async () => {
    const budget = fakeBudget({})
    const pool = openPool(new FakeDriver(), { budget })
    const ends = endsOf(pool)
    const leases = await acquireMany(pool, 3)
    memberOf(budget).give(0)
    leases[0]?.destroy()
    leases[1]?.release()
    leases[2]?.release()
    await pass(0)
    expect(ends).toEqual(['broken'])
  })

  test('a child owns no permit, and joins anew at its first use', async () => {
    const process = new FakeProcess()
    const budget = fakeBudget({})
    const pool = process.pool(new FakeDriver(), { budget })
    await pool.acquire()
    process.fork()
    expect(memberOf(budget).give(-1)).toBe(false)
    expect(budget).toMatchObject({ abandoned: 1, released: 0, left: 0 })
    expect(pool.stats.permits).toBe(0)
    await pass(1_000)
    expect(budget.members).toHaveLength(1)
    await pool.acquire()
    expect(budget.members).toHaveLength(2)
    expect(memberOf(budget, 1).held).toBe(1)
    expect(budget.released).toBe(0)
  })

  test('a child that was copied during a request or a bind uses neither', async () => {
    const process = new FakeProcess()
    const budget = fakeBudget()
    const driver = new FakeDriver()
    const pool = process.pool(driver, { budget, max: 2 })
    const waits = [errorOf(pool.acquire()), errorOf(pool.acquire())]
    await pass(0)
    let bind!: (bound: boolean) => void
    budget.requests[0]?.grant({ bind: () => new Promise((resolve) => (bind = resolve)) })
    await pass(0)
    const [second] = budget.requests
    process.fork()
    process.hook()
    bind(true)
    second?.grant()
    await pass(0)
    expect(await Promise.all(waits)).toMatchObject([
      { code: 'FORKSAFE_STALE_RESOURCE' },
      { code: 'FORKSAFE_STALE_RESOURCE' },
    ])
    expect(driver.open).toEqual([])
    expect(budget).toMatchObject({ released: 0, abandoned: 1 })
  })
})

describe('pools with one `sharedBudget`', () => {
  test.each([undefined, 0, 1.5, Infinity, '5'])('reject a limit of %s', (limit) => {
    expect(() => sharedBudget({ limit: limit as number })).toThrow(TypeError)
  })

  test('never hold more than its limit, also while resources are being destroyed', async () => {
    const driver = new FakeDriver()
    driver.plans.destroy = { afterMillis: 5, outcome: 'pass' }
    driver.plans.create = { afterMillis: 3, outcome: 'pass' }
    const budget = sharedBudget({ limit: 5 })
    const pools = Array.from({ length: 4 }, () => openPool(driver, { budget, max: 5 }))
    let served = 0
    const work = pools.flatMap((pool) =>
      Array.from({ length: 20 }, async () => {
        await pool.use(() => new Promise((resolve) => setTimeout(resolve, 10)))
        served++
      }),
    )
    await pass(10_000)
    expect(served).toBe(80)
    await Promise.all(work)
    expect(driver.mostAtOnce).toBeLessThanOrEqual(5)
    const closed = pools.map((pool) => pool.close())
    await pass(100)
    await Promise.all(closed)
    const last = openPool(new FakeDriver(), { budget, max: 5 })
    expect(await acquireMany(last, 5)).toHaveLength(5)
  })

  test('divide it evenly while all are busy', async () => {
    const budget = sharedBudget({ limit: 8 })
    const pools = Array.from({ length: 4 }, () =>
      openPool(new FakeDriver(), { budget, max: 8, acquireTimeoutMillis: Infinity }),
    )
    const work = { over: false }
    for (const pool of pools) {
      for (let caller = 0; caller < 16; caller++) {
        void (async () => {
          while (!work.over) await pool.use(() => new Promise((resolve) => setTimeout(resolve, 10)))
        })()
      }
    }
    await pass(1_000)
    expect(pools.map(({ stats }) => stats.permits)).toEqual([2, 2, 2, 2])
    work.over = true
    await pass(2_000)
  })

  test('take turns if there are more of them than permits', async () => {
    const budget = sharedBudget({ limit: 1 })
    const served = [0, 0, 0]
    const work = { over: false }
    for (const index of served.keys()) {
      const pool = openPool(new FakeDriver(), { budget, acquireTimeoutMillis: Infinity })
      for (let caller = 0; caller < 4; caller++) {
        void (async () => {
          while (!work.over) {
            await pool.use(() => new Promise((resolve) => setTimeout(resolve, 10)))
            served[index] = (served[index] ?? 0) + 1
          }
        })()
      }
    }
    await pass(3_000)
    for (const count of served) expect(count).toBeGreaterThan(20)
    work.over = true
    await pass(3_000)
  })

  test('give an idle resource of a quiet pool to a busy one, but not its `min`', async () => {
    const budget = sharedBudget({ limit: 5 })
    const quiet = openPool(new FakeDriver(), { budget, max: 5, min: 1 })
    await openIdle(quiet, 5)
    const busy = openPool(new FakeDriver(), { budget, max: 5, acquireTimeoutMillis: 1_000 })
    const leases = acquireMany(busy, 4)
    await pass(10)
    expect(quiet.stats).toMatchObject({ size: 2, permits: 2 })
    expect(busy.stats).toMatchObject({ size: 3, wanted: 1 })
    await pass(200)
    expect(await leases).toHaveLength(4)
    expect(quiet.stats).toMatchObject({ size: 1, permits: 1 })
    const refused = errorOf(busy.acquire())
    await pass(1_000)
    expect(await refused).toMatchObject({ phase: 'budget', holders: ['"fake" (1)', '"fake" (4)'] })
  })

  test('open `min`, warm up, recycle, resize and close at a full budget', async () => {
    const budget = sharedBudget({ limit: 2 })
    const one = openPool(new FakeDriver(), { budget, max: 2 })
    const leases = await acquireMany(one, 2)
    const two = openPool(new FakeDriver(), { budget, max: 2, min: 1 })
    const warm = two.warmUp()
    await pass(10)
    expect(two.stats).toMatchObject({ size: 0, wanted: 1 })
    leases[0]?.release()
    await pass(0)
    await warm
    expect(two.stats).toMatchObject({ size: 1, permits: 1 })
    two.recycle()
    await pass(0)
    expect(two.stats).toMatchObject({ size: 1, permits: 1, generation: 2 })
    one.resize({ max: 1 })
    const third = one.acquire()
    await pass(10)
    expect(one.stats).toMatchObject({ size: 1, permits: 1, wanted: 0 })
    leases[1]?.release()
    ;(await third).release()
    await two.close()
    one.resize({ max: 2 })
    expect(await acquireMany(one, 2)).toHaveLength(2)
    expect(one.stats.permits).toBe(2)
  })

  test('return the permits of resources that were lost or could not be opened', async () => {
    const driver = new FakeDriver()
    const budget = sharedBudget({ limit: 1 })
    const pool = openPool(driver, { budget })
    driver.plans.create = 'reject'
    const lease = pool.acquire()
    await pass(200)
    driver.plans.create = 'pass'
    await pass(5_000)
    await lease
    driver.resource(1).lose()
    await pass(0)
    const other = openPool(new FakeDriver(), { budget })
    expect((await other.acquire()).active).toBe(true)
  })

  test('give nothing for a request that is withdrawn at once', async () => {
    const budget = sharedBudget({ limit: 1 })
    const quiet = openPool(new FakeDriver(), { budget })
    await openIdle(quiet, 1)
    const aborter = new AbortController()
    const given = errorOf(
      openPool(new FakeDriver(), { budget }).acquire({ signal: aborter.signal }),
    )
    aborter.abort()
    await given
    await pass(1_000)
    expect(quiet.stats).toMatchObject({ idle: 1, permits: 1 })
  })

  test('take members that tell neither their name nor their idle resources', async () => {
    const budget = sharedBudget({ limit: 2 })
    const asked: number[] = []
    const seat = budget.join({
      held: 1,
      waiting: 0,
      min: 0,
      give: (theirs) => asked.push(theirs) === 0,
    })
    await seat.request(new AbortController().signal)
    const pool = openPool(new FakeDriver(), { budget, acquireTimeoutMillis: 1_000 })
    await pool.acquire()
    const refused = errorOf(pool.acquire())
    await pass(1_000)
    expect(await refused).toMatchObject({ phase: 'budget', holders: ['"" (1)', '"fake" (1)'] })
    expect(new Set(asked)).toEqual(new Set([1]))
  })

  test('get back each permit once, also if its member has left', async () => {
    const budget = sharedBudget({ limit: 1 })
    const seat = budget.join({ held: 1, waiting: 0, min: 0, give: () => false })
    const permit = await seat.request(new AbortController().signal)
    seat.abandon()
    seat.leave()
    permit.release()
    const pool = openPool(new FakeDriver(), { budget, max: 2, acquireTimeoutMillis: 100 })
    await pool.acquire()
    const refused = errorOf(pool.acquire())
    await pass(100)
    expect(await refused).toMatchObject({ phase: 'budget', holders: ['"fake" (1)'] })
  })

  test('start with all of it in a child', async () => {
    const process = new FakeProcess()
    const budget = sharedBudget({ limit: 2 })
    const driver = new FakeDriver()
    const pools = [process.pool(driver, { budget }), process.pool(driver, { budget })]
    for (const pool of pools) await pool.acquire()
    const waiting = errorOf(pools[0]?.acquire() ?? Promise.resolve())
    await pass(0)
    process.fork()
    process.hook()
    expect(await waiting).toMatchObject({ code: 'FORKSAFE_STALE_RESOURCE' })
    const leases = await Promise.all([pools[0]?.acquire(), pools[0]?.acquire()])
    expect(leases).toHaveLength(2)
    const third = pools[1]?.acquire()
    await pass(10)
    expect(pools[1]?.stats).toMatchObject({ wanted: 1 })
    leases[0]?.release()
    expect((await third)?.active).toBe(true)
  })

  test('let a pool that shares its resources open more', async () => {
    const driver = new FakeDriver({ share: [], maxInFlight: 8 })
    const pool = openPool(driver, { budget: sharedBudget({ limit: 2 }), max: 4 })
    const requests = Array.from({ length: 8 }, () => pool.share((resource) => resource.request()))
    await pass(0)
    const more = Array.from({ length: 8 }, () => pool.share((resource) => resource.request()))
    await pass(10)
    expect(pool.stats).toMatchObject({ permits: 2, inFlight: 16, waiting: 0 })
    for (const resource of driver.resources) resource.answerAll()
    await Promise.all([...requests, ...more])
    await pool.close()
  })
})
