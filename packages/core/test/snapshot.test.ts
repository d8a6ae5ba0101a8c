import { EventEmitter } from 'node:events'
import { execPath } from 'node:process'
import { describe, expect, test, vi } from 'vitest'
import { onSnapshot, type StartupSnapshot } from '../src/identity/snapshot.ts'
import { type IdentitySource, koffiPlaces, loadKoffi } from '../src/identity/sources.ts'
import { ProcessIdentity } from '../src/identity/identity.ts'
import { type BasePoolOptions, type PoolEvents, StaleResourceError } from '../src/index.ts'
import { Pool } from '../src/pool.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { openIdle } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

/** A process that is being written, or not, and that starts when the test says so: one side after the other. */
class FakeSnapshot implements StartupSnapshot {
  readonly #building: boolean
  readonly process = new EventEmitter()
  #written: (() => void)[] = []
  readonly #started: (() => void)[] = []
  /** Every source that was opened, the last one in use. */
  readonly sources: { forked: boolean }[] = []
  readonly identity: ProcessIdentity

  constructor({ building = true, copies = new Set<never>() } = {}) {
    this.#building = building
    this.identity = new ProcessIdentity(
      () => this.#openSource(),
      copies,
      (writing, started) => onSnapshot(writing, started, this, this.process),
    )
  }

  get callbacks(): number {
    return this.#started.length + this.process.listenerCount('beforeExit')
  }

  isBuildingSnapshot(): boolean {
    return this.#building
  }

  addSerializeCallback(run: () => void): void {
    this.#written.push(run)
  }

  addDeserializeCallback(run: () => void): void {
    this.#started.push(run)
  }

  /** The event loop is empty: the process is written, unless it is not empty after that. */
  write(): void {
    this.process.emit('beforeExit')
    const written = this.#written
    this.#written = []
    for (const run of written) run()
  }

  start(): void {
    for (const run of this.#started) run()
  }

  pool(driver: FakeDriver, options: BasePoolOptions = {}) {
    const pool = new Pool<FakeResource>(driver, options, this.identity)
    const changes: PoolEvents['processChange'][0][] = []
    pool.on('processChange', (change) => changes.push(change))
    return { pool, changes }
  }

  #openSource(): IdentitySource {
    const source = { forked: false }
    this.sources.push(source)
    return {
      name: 'pid',
      changed: () => source.forked,
      settle: () => {
        source.forked = false
      },
    }
  }
}

describe('when a snapshot is written', () => {
  test('everything is let go of, silently, and nobody is told yet', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'reset'] })
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver)
    await openIdle(pool, 2)
    const lease = await pool.acquire()

    snapshot.write()

    for (const resource of driver.resources) {
      expect(resource).toMatchObject({ discards: 1, destroys: 0 })
    }
    expect(() => lease.resource).toThrow(StaleResourceError)
    lease.release()
    expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0 })
    expect(changes).toEqual([])
  })

  test('every timer ends, and who waits is told that the wait is not of the process that starts', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const snapshot = new FakeSnapshot()
    const { pool } = snapshot.pool(driver, { max: 1, min: 1, keepaliveMillis: 1_000 })
    await openIdle(pool, 1)
    await pool.acquire()
    const waiter = errorOf(pool.acquire())

    snapshot.write()

    expect(vi.getTimerCount()).toBe(0)
    expect(await waiter).toBeInstanceOf(StaleResourceError)
  })

  test('what is opened afterwards is let go of when it is written after all', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver)
    await openIdle(pool, 1)

    snapshot.write()
    await openIdle(pool, 2)
    snapshot.write()
    snapshot.write()
    snapshot.start()

    for (const resource of driver.resources) expect(resource.discards).toBe(1)
    expect(changes).toMatchObject([{ reason: 'snapshot', generation: 3, discarded: 3 }])
    expect(snapshot.process.listenerCount('beforeExit')).toBe(0)
  })

  test('a socket that closes afterwards is no change of process', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver)
    await openIdle(pool, 1)

    snapshot.write()
    for (const source of snapshot.sources) source.forked = true
    driver.resource(1).lose()

    expect(changes).toEqual([])
    expect(pool.stats.identity).toBe('none')
  })
})

describe('a process that starts from a snapshot', () => {
  test('is told what was discarded when it was written', async () => {
    const snapshot = new FakeSnapshot()
    const first = snapshot.pool(new FakeDriver())
    const second = snapshot.pool(new FakeDriver())
    await openIdle(first.pool, 3)

    snapshot.write()
    snapshot.start()

    const change = { reason: 'snapshot', incarnation: 2, generation: 2 }
    expect(first.changes).toEqual([{ ...change, discarded: 3 }])
    expect(second.changes).toEqual([{ ...change, discarded: 0 }])
  })

  test('opens nothing before the pool is used, and then no more than it needs', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool } = snapshot.pool(driver, { min: 4 })
    await pool.warmUp()

    snapshot.write()
    snapshot.start()
    await pass(600_000)
    expect(driver.count('create')).toBe(4)

    driver.plans.create = { afterMillis: 10, outcome: 'pass' }
    const lease = follow(pool.acquire())
    expect(pool.stats.creating).toBe(1)
    await pass(10)
    expect(lease.outcome.state).toBe('fulfilled')
  })

  test('has a source of its own, which sees the forks that follow', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver, { forkDetection: 'once' })
    await openIdle(pool, 1)

    snapshot.write()
    snapshot.start()
    // The builder's source would say so in every process.
    for (const source of snapshot.sources) source.forked = true
    await openIdle(pool, 1)
    expect(changes.map(({ reason }) => reason)).toEqual(['snapshot'])
    expect(snapshot.sources).toHaveLength(2)

    for (const source of snapshot.sources) source.forked = true
    await openIdle(pool, 1)
    expect(changes.map(({ reason }) => reason)).toEqual(['snapshot', 'fork'])
    expect(changes[1]).toMatchObject({ incarnation: 3, discarded: 1 })
    expect(driver.count('destroy')).toBe(0)
  })

  test('keeps what it opened before it was told of the start', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver)
    await openIdle(pool, 1)
    snapshot.write()

    // A callback of the program's own, which came first.
    const lease = await pool.acquire()
    snapshot.start()

    expect(lease.resource.open).toBe(true)
    expect(changes).toMatchObject([{ reason: 'snapshot', discarded: 1 }])
    lease.release()
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })

  test('begins to reckon time anew: the clocks of the builder mean nothing', async () => {
    const driver = new FakeDriver({ hooks: ['watch', 'validate'] })
    const snapshot = new FakeSnapshot()
    const clocks = { monotonic: 5_000_000, wall: 5_000_000 }
    const pool = new Pool<FakeResource>(driver, { keepaliveMillis: 1_000 }, snapshot.identity, {
      monotonic: () => clocks.monotonic,
      wall: () => clocks.wall,
    })
    const reasons: string[] = []
    pool.on('processChange', ({ reason }) => reasons.push(reason))
    await openIdle(pool, 2)

    snapshot.write()
    Object.assign(clocks, { monotonic: 20, wall: 9_000_000 })
    snapshot.start()
    await openIdle(pool, 2)
    await settled()

    expect(reasons).toEqual(['snapshot'])
    expect(pool.stats).toMatchObject({ idle: 2, generation: 2 })
  })
})

test('where no snapshot is built nothing is asked for', () => {
  expect(new FakeSnapshot({ building: false }).callbacks).toBe(0)
})

test('two copies of core let go each of its own', async () => {
  const copies = new Set<never>()
  const snapshots = [new FakeSnapshot({ copies }), new FakeSnapshot({ copies })]
  const pools = snapshots.map((snapshot) => snapshot.pool(new FakeDriver()))
  for (const { pool } of pools) await openIdle(pool, 1)
  for (const snapshot of snapshots) snapshot.write()
  for (const snapshot of snapshots) snapshot.start()
  for (const { changes } of pools) {
    expect(changes).toMatchObject([{ reason: 'snapshot', incarnation: 2, discarded: 1 }])
  }
})

test('koffi is not loaded while a snapshot is built', () => {
  expect(loadKoffi([import.meta.url], true)).toBeUndefined()
  expect(loadKoffi([import.meta.url], false)).toBeDefined()
})

test('a bundle, which knows no place of its own, looks for koffi where the program runs', () => {
  expect(koffiPlaces(undefined)).toEqual([`${process.cwd()}/package.json`, execPath])
  expect(koffiPlaces('file:///app/main.js')).toEqual(['file:///app/main.js'])
})
