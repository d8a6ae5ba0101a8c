import { createForkSafePool, type Lease, type PoolOptions } from '@forksafe/core'
import { inChild } from '@forksafe/testkit'
import { fork as startProgram, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Client, type ClientConfig } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type PgBudgetOptions,
  type PgConnection,
  type PgPool,
  pgBudget,
  pgDriver,
  pgDriverWith,
} from '../src/index.ts'
import type { BudgetReport, BudgetSettings } from './programs/budget.ts'
import { needPgBouncer, startBouncer } from './support/bouncers.ts'
import { useOwnServer } from './support/own-server.ts'
import { backendPid } from './support/pools.ts'
import { usePrograms } from './support/remote.ts'

/** How long the longest test lasts. A release runs it for a minute. */
const SECONDS = Number(process.env['FORKSAFE_BUDGET_SECONDS'] ?? 6)

const programs = usePrograms()
const own = useOwnServer({
  tls: false,
  roles: { app: 'secret' },
  settings: { max_connections: '60', superuser_reserved_connections: '5' },
})

let groups = 0
const newGroup = (): string => `group ${++groups}`
const asApp = (): ClientConfig => ({ ...own().connection, user: 'app', password: 'secret' })

function openPool(
  budget: PgBudgetOptions,
  options: Omit<PoolOptions<PgConnection>, 'connection'> = {},
): PgPool {
  const pool = createForkSafePool(pgDriver, {
    connection: asApp(),
    budget: pgBudget(budget),
    ...options,
  })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

interface Sample {
  sessions: number
  permits: number
}

/** Samples the sessions of the role and their permits, as a superuser. */
async function watch(): Promise<() => Promise<Sample[]>> {
  const client = new Client(own().connection)
  await client.connect()
  const text = `
    SELECT (SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'app') AS sessions,
      (SELECT count(*)::int FROM pg_locks
       WHERE locktype = 'advisory' AND objsubid = 2 AND mode = 'ExclusiveLock' AND granted) AS permits`
  const samples: Sample[] = []
  const over = new AbortController()
  async function sample(): Promise<void> {
    while (!over.signal.aborted) {
      const { rows } = await client.query<Sample>(text)
      samples.push(...rows)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await client.end()
  }
  const sampling = sample()
  const stop = async (): Promise<Sample[]> => {
    over.abort()
    await sampling
    return samples
  }
  onTestFinished(async () => {
    await stop()
  })
  return stop
}

function most(samples: readonly Sample[]): Sample {
  return {
    sessions: Math.max(...samples.map(({ sessions }) => sessions)),
    permits: Math.max(...samples.map(({ permits }) => permits)),
  }
}

/** Another process with a pool in the budget. */
class Worker {
  readonly child: ChildProcess
  frozen = false

  constructor(settings: Omit<BudgetSettings, 'connection'>) {
    const all = JSON.stringify({ connection: asApp(), ...settings })
    this.child = startProgram(programs().path('budget'), [all], { execArgv: [] })
    onTestFinished(() => this.kill())
  }

  async report(): Promise<BudgetReport> {
    const answer = once(this.child, 'message')
    this.child.send('report')
    return (await answer)[0] as BudgetReport
  }

  async stop(): Promise<BudgetReport> {
    const answer = once(this.child, 'message')
    const exited = once(this.child, 'exit')
    this.child.send('stop')
    const [report] = (await answer) as [BudgetReport]
    await exited
    return report
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }
}

const pause = (millis: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, millis))

async function hold(pool: PgPool, count: number) {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()))
}

describe('one process with two pools', () => {
  test('never has more permits than the limit, and its timeout names the holders', async () => {
    const budget = { group: newGroup(), limit: 3 }
    const one = openPool(budget, {
      connection: { ...asApp(), application_name: 'one' },
      max: 3,
    } as never)
    await hold(one, 3)
    const two = openPool(budget, { acquireTimeoutMillis: 600 })
    // It holds nothing, and the other one owes it two; but nobody releases any.
    await expect(two.acquire()).rejects.toMatchObject({
      phase: 'budget',
      stats: { permits: 0 },
      holders: ['"one" (3)'],
    })
    expect(one.stats).toMatchObject({ permits: 3, wanted: 0 })
  })

  test('gives idle sessions to the one that needs them, but not `min`', async () => {
    const budget = { group: newGroup(), limit: 20 }
    const quiet = openPool(budget, { max: 20, min: 10 })
    for (const lease of await hold(quiet, 20)) lease.release()
    const busy = openPool(budget, { max: 20 })
    const since = performance.now()
    const leases = await hold(busy, 10)
    expect(performance.now() - since).toBeLessThan(5_000)
    expect(quiet.stats.permits).toBe(10)
    for (const lease of leases) lease.release()
  })

  test('gives the next released one if both are busy', async () => {
    const budget = { group: newGroup(), limit: 4 }
    const one = openPool(budget, { max: 4 })
    const leases = await hold(one, 4)
    const two = openPool(budget, { max: 4 })
    const lease = two.acquire()
    await pause(500)
    expect(two.stats.borrowed).toBe(0)
    leases[0]?.release()
    expect((await lease).active).toBe(true)
    expect(one.stats.permits).toBe(3)
  })

  test('survives recycle, resize, warmUp and close at a full budget', async () => {
    const stop = await watch()
    const budget = { group: newGroup(), limit: 4 }
    const one = openPool(budget, { max: 4 })
    const two = openPool(budget, { max: 4 })
    const [first, second, ...rest] = await hold(one, 4)
    const warm = two.warmUp()
    one.recycle()
    first?.release()
    second?.release()
    await warm
    const more = two.acquire()
    one.resize({ max: 2 })
    for (const lease of rest) lease.release()
    ;(await more).release()
    expect((await one.query<{ n: number }>('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
    await one.close()
    expect(await hold(two, 4)).toHaveLength(4)
    const { permits, sessions } = most(await stop())
    expect(permits).toBeLessThanOrEqual(4)
    expect(sessions).toBeLessThanOrEqual(4 + 2)
  })

  test('returns the permits of sessions that the server has ended', async () => {
    const budget = { group: newGroup(), limit: 2 }
    const one = openPool(budget)
    const leases = await hold(one, 2)
    const pids = await Promise.all(leases.map(({ resource }) => backendPid(resource)))
    for (const pid of pids) await own().tell('SELECT pg_terminate_backend($1)', [pid])
    const two = openPool(budget)
    expect(await hold(two, 2)).toHaveLength(2)
    expect(one.stats.permits).toBe(0)
  })
})

test('an idle member sends nothing', async () => {
  const pool = openPool({ group: newGroup(), limit: 4 })
  for (const lease of await hold(pool, 3)) lease.release()
  const text = `SELECT max(state_change)::text AS at FROM pg_stat_activity WHERE usename = 'app'`
  const client = new Client(own().connection)
  await client.connect()
  onTestFinished(() => client.end())
  await pause(200)
  const before = await client.query(text)
  await pause(1_500)
  expect((await client.query(text)).rows).toEqual(before.rows)
})

test('a forked child gets what is left, and its parent keeps its permits', async () => {
  const pool = openPool({ group: newGroup(), limit: 4 }, { max: 4 })
  const leases = await hold(pool, 3)
  for (const lease of leases.slice(1)) lease.release()
  const parent = await backendPid((leases[0] as Lease<Client>).resource)
  const inTheChild = await inChild(async () => {
    const before = pool.stats.permits
    const { rows } = await pool.query<{ n: number }>('SELECT 7 AS n')
    return { before, after: pool.stats.permits, rows }
  })
  expect(inTheChild).toEqual({ before: 0, after: 1, rows: [{ n: 7 }] })
  expect((leases[0] as Lease<Client>).active).toBe(true)
  expect(await backendPid((leases[0] as Lease<Client>).resource)).toBe(parent)
  expect(pool.stats.permits).toBeGreaterThanOrEqual(2)
})

test('a child at a full budget is given an idle session of its parent', async () => {
  const pool = openPool({ group: newGroup(), limit: 2 }, { max: 2 })
  const leases = await hold(pool, 2)
  for (const lease of leases) lease.release()
  const rows = await inChild(async () => (await pool.query<{ n: number }>('SELECT 7 AS n')).rows)
  expect(rows).toEqual([{ n: 7 }])
  expect(pool.stats.permits).toBe(1)
  expect((await pool.query<{ n: number }>('SELECT 8 AS n')).rows).toEqual([{ n: 8 }])
})

test('a `resetQuery` that would drop the permits is refused', () => {
  const driver = pgDriverWith({ resetQuery: 'DISCARD ALL' })
  const budget = pgBudget({ group: 'any', limit: 1 })
  expect(() => createForkSafePool(driver, { connection: asApp(), budget })).toThrow(/DISCARD ALL/)
  const kept = createForkSafePool(pgDriverWith({ resetQuery: 'RESET ALL' }), {
    connection: asApp(),
    budget,
  })
  expect(kept.stats.permits).toBe(0)
})

test.each([
  [{}, /group/],
  [{ group: 'a' }, /limit/],
  [{ group: '', limit: 1 }, /group/],
  [{ group: 'a', limit: 0 }, /limit/],
  [{ group: 'a', limit: 1, doors: 0 }, /doors/],
  [{ group: 'a', limit: 1, handoverMillis: Infinity }, /handoverMillis/],
  [{ group: 'a', limit: 1, evictIdleMillis: 0 }, /evictIdleMillis/],
  [{ group: 'a', limit: 1, ttl: 5 }, /ttl/],
])('the options %j are refused', (options, message) => {
  expect(() => pgBudget(options as PgBudgetOptions)).toThrow(message)
})

describe('eight workers', () => {
  const worker = (budget: PgBudgetOptions): Worker =>
    new Worker({ budget, max: 10, callers: 10, seconds: 0.005 })

  test('share the limit evenly, and each is served', async () => {
    const budget = { group: newGroup(), limit: 20 }
    const workers = Array.from({ length: 8 }, () => worker(budget))
    await Promise.all(workers.map((each) => each.report()))
    await pause(1_500)
    const before = await Promise.all(workers.map((each) => each.report()))
    await pause(Math.max(3_000, SECONDS * 500))
    const after = await Promise.all(workers.map((each) => each.report()))
    const served = after.map((report, index) => report.served - (before[index]?.served ?? 0))
    const sum = served.reduce((a, b) => a + b, 0)
    const jain = sum ** 2 / (served.length * served.reduce((a, b) => a + b * b, 0))
    expect(Math.min(...served)).toBeGreaterThan(0)
    expect(jain).toBeGreaterThan(0.75)
    expect(after.flatMap(({ errors }) => errors)).toEqual([])
  })

  test('keep the cap while some are killed, frozen and replaced', async () => {
    const stop = await watch()
    const budget = { group: newGroup(), limit: 20 }
    let workers = Array.from({ length: 8 }, () => worker(budget))
    const errors: string[] = []
    const until = performance.now() + SECONDS * 1_000
    await pause(1_000)
    for (let turn = 0; performance.now() < until; turn++) {
      const [oldest, next, ...others] = workers as [Worker, Worker, ...Worker[]]
      if (turn % 3 === 0) await oldest.kill()
      else if (turn % 3 === 1) {
        next.child.kill('SIGSTOP')
        await pause(500)
        next.child.kill('SIGCONT')
        errors.push(...(await oldest.stop()).errors)
      } else errors.push(...(await oldest.stop()).errors)
      workers = [next, ...others, worker(budget)]
      await pause(200)
    }
    for (const each of workers) errors.push(...(await each.stop()).errors)
    expect(errors).toEqual([])
    const samples = await stop()
    expect(samples.length).toBeGreaterThan(20)
    const { permits, sessions } = most(samples)
    expect(permits).toBeLessThanOrEqual(20)
    // A killed one may still have sessions that the server has not ended yet.
    expect(sessions).toBeLessThanOrEqual(20 + 8 + 1)
  })
})

describe('a frozen member', () => {
  test.each([Infinity, 300])(
    'keeps the cap, with an eviction after %s ms',
    async (evictIdleMillis) => {
      const stop = await watch()
      const group = newGroup()
      const frozen = new Worker({ budget: { group, limit: 4 }, max: 4, callers: 4, seconds: 0.001 })
      await expect.poll(async () => (await frozen.report()).served).toBeGreaterThan(100)
      frozen.child.kill('SIGSTOP')
      const pool = openPool(
        { group, limit: 4, evictIdleMillis },
        { max: 4, acquireTimeoutMillis: 20_000 },
      )
      const leases = hold(pool, 2)
      if (evictIdleMillis === Infinity) {
        await pause(1_500)
        expect(pool.stats.permits).toBeLessThanOrEqual(1)
      } else {
        for (const lease of await leases) lease.release()
      }
      frozen.child.kill('SIGCONT')
      const before = await frozen.report()
      await expect.poll(async () => (await frozen.report()).served).toBeGreaterThan(before.served)
      const { errors } = await frozen.stop()
      if (evictIdleMillis === Infinity) expect(errors).toEqual([])
      // Without an eviction, the permits are free at the latest when the member has stopped.
      for (const lease of await leases) if (lease.active) lease.release()
      expect(most(await stop()).permits).toBeLessThanOrEqual(4)
    },
  )
})

describe('behind PgBouncer', () => {
  needPgBouncer()

  test('in transaction mode, the first create is rejected with the reason, and no lock stays', async () => {
    const { through } = await startBouncer(own(), {
      mode: 'transaction',
      roles: { app: 'secret' },
    })
    const connection = { ...through, user: 'app', password: 'secret' }
    const budget = pgBudget({ group: newGroup(), limit: 2 })
    const pool = createForkSafePool(pgDriver, { connection, budget })
    onTestFinished(() => pool.close({ deadlineMillis: 0 }))
    await expect(pool.acquire()).rejects.toMatchObject({
      code: 'FORKSAFE_CREATE_FAILED',
      cause: { code: 'FORKSAFE_BUDGET', message: expect.stringContaining('PgBouncer') as string },
    })
    const client = new Client(own().connection)
    await client.connect()
    onTestFinished(() => client.end())
    const locks = "SELECT count(*)::int AS locks FROM pg_locks WHERE locktype = 'advisory'"
    expect((await client.query(locks)).rows).toEqual([{ locks: 0 }])
  })

  test('in session mode, the cap is kept if the option says so', async () => {
    const { through } = await startBouncer(own(), { mode: 'session', roles: { app: 'secret' } })
    const connection = { ...through, user: 'app', password: 'secret' }
    const budget = pgBudget({ group: newGroup(), limit: 2, sessionPooler: true })
    const pool = createForkSafePool(pgDriver, { connection, budget, acquireTimeoutMillis: 500 })
    onTestFinished(() => pool.close({ deadlineMillis: 0 }))
    await hold(pool, 2)
    await expect(pool.acquire()).rejects.toMatchObject({ phase: 'budget' })
  })
})

test('after a restart of the server, the pool goes on within its budget', async () => {
  const pool = openPool({ group: newGroup(), limit: 2 }, { max: 2 })
  for (const lease of await hold(pool, 2)) lease.release()
  await own().server.restart()
  expect(await hold(pool, 2)).toHaveLength(2)
  expect(pool.stats.permits).toBe(2)
})
