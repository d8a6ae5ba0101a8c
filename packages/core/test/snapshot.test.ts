import { EventEmitter } from 'node:events'
import { execPath } from 'node:process'
import { describe, expect, test, vi } from 'vitest'
import { onSnapshot, type StartupSnapshot } from '../src/identity/snapshot.ts'
import { type IdentitySource, koffiPlaces, loadKoffi, thisFile } from '../src/identity/sources.ts'
import { ProcessIdentity } from '../src/identity/identity.ts'
import { type BasePoolOptions, type PoolEvents, StaleResourceError } from '../src/index.ts'
import { Pool } from '../src/pool.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'
import { openIdle } from './support/pools.ts'
import { errorOf, follow, pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

/** A fake process that is being written into a snapshot, or not, and that starts from it when the test says so. */
class FakeSnapshot implements StartupSnapshot {
  readonly #building: boolean
  readonly process = new EventEmitter()
  #written: (() => void)[] = []
  readonly #started: (() => void)[] = []
  /** All sources that were opened. The last one is in use. */
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

  /** Empties the event loop: the process is written, unless the loop is not empty afterwards. */
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
  test('all resources are discarded, and no event is emitted yet', async () => {
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

  test('all timers end, and waiting callers are rejected as stale', async () => {
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

  test('resources opened afterwards are discarded when it is written', async () => {
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

  test('a socket that closes afterwards is not a process change', async () => {
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
  test('gets an event with the number of discarded resources', async () => {
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

  test('opens nothing before the pool is used, and then only what it needs', async () => {
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

  test('has its own source, which notices later forks', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver, { forkDetection: 'once' })
    await openIdle(pool, 1)

    snapshot.write()
    snapshot.start()
    // The builder's source would report a change in every process.
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

  test('keeps resources that it opened before the pool was notified of the start', async () => {
    const driver = new FakeDriver()
    const snapshot = new FakeSnapshot()
    const { pool, changes } = snapshot.pool(driver)
    await openIdle(pool, 1)
    snapshot.write()

    // A callback of the program, which ran first.
    const lease = await pool.acquire()
    snapshot.start()

    expect(lease.resource.open).toBe(true)
    expect(changes).toMatchObject([{ reason: 'snapshot', discarded: 1 }])
    lease.release()
    expect(pool.stats).toMatchObject({ idle: 1, size: 1 })
  })

  test('measures time anew, because the clocks of the builder are meaningless', async () => {
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

test('no callback is registered if no snapshot is built', () => {
  expect(new FakeSnapshot({ building: false }).callbacks).toBe(0)
})

test('two copies of core each discard their own resources', async () => {
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
  expect(thisFile(true)).toBeUndefined()
  expect(thisFile(false)).toMatch(/sources\.ts$/)
})

test('koffi is resolved from the file of core or its bundle', () => {
  expect(koffiPlaces(import.meta.filename)).toEqual([import.meta.filename])
})

test.each([
  ['no location', undefined],
  ['a location that the bundler made up', '/index.js'],
  ['the executable as its location', execPath],
])('a bundle with %s resolves koffi from the program', (_which, file) => {
  const places = ['/app/main.js', `${process.cwd()}/package.json`, execPath]
  expect(koffiPlaces(file, '/app/main.js')).toEqual(places)
})
