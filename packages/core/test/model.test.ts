import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type CreateFailure, LeaseReleasedError, type Lease, type PoolStats } from '../src/index.ts'
import type { Pool } from '../src/pool.ts'
import { FakeDriver, type FakeResource, type HookName, type Plan } from './support/fake-driver.ts'
import { FakeProcess } from './support/process.ts'
import { follow, microtasks, type Outcome, pass, settled, useFakeTime } from './support/time.ts'
import { unhandledIn } from './support/uncaught.ts'

useFakeTime()

const ACQUIRE_TIMEOUT = 5_000
/** The maximum number of hooks in a story that use the pool. */
const REENTRIES = 40

interface Caller {
  readonly priority: number
  readonly deadline: number
  readonly controller: AbortController
  /** The numbers of the moments at which it was called and returned. */
  readonly asked: number
  readonly queued: number
  readonly followed: { readonly outcome: Outcome<Lease<FakeResource>> }
  /** Whether the holder itself ended its lease. */
  ended: boolean
}

interface Setup {
  /** Whether the driver has all hooks, or only the required ones. */
  readonly hooks: boolean
  /** Whether an aborted create ends, or still opens a resource. */
  readonly heedsAbort: boolean
  /** Whether listeners use the pool. */
  readonly chatty: boolean
  /** Whether hooks use the pool and the leases. */
  readonly reentrant: boolean
  readonly min: number
  readonly max: number
  readonly fifo: boolean
}

/** A pool, its server and its callers, with the invariants that must always hold. */
class World {
  readonly process = new FakeProcess()
  readonly driver: FakeDriver
  readonly pool: Pool<FakeResource>
  readonly callers: Caller[] = []
  #moment = 0
  readonly warmUps: { readonly outcome: Outcome<void> }[] = []
  readonly closes: { readonly outcome: Outcome<void> }[] = []
  readonly broken: string[] = []
  /** The callers that were seen to hold a resource after it announced its end. */
  readonly #lastHolders = new Map<FakeResource, Set<Caller>>()
  changes = 0
  /** The creates that were requested but not started when `max` changed. generic-pool starts some creates a turn later. */
  #unbegun = 0
  #reentries = 0
  /** The inherited resources that a child has yet to discard. It discards them one by one, and these do not count. */
  #discarding = false

  constructor(setup: Setup) {
    const { hooks, heedsAbort, chatty, reentrant, ...options } = setup
    this.driver = new FakeDriver({
      heedsAbort,
      hooks: hooks ? ['watch', 'validate', 'reset', 'ref', 'unref', 'classify'] : ['watch'],
    })
    this.pool = this.process.pool(this.driver, {
      ...options,
      acquireTimeoutMillis: ACQUIRE_TIMEOUT,
      createTimeoutMillis: 1_000,
      validateTimeoutMillis: 300,
      destroyTimeoutMillis: 500,
      idleTimeoutMillis: 3_000,
      maxLifetimeMillis: 8_000,
      keepaliveMillis: 700,
      maxUses: 5,
      maxWaitingClients: 6,
      maxConnecting: 2,
    })
    this.pool.on('processChange', () => this.changes++)
    if (chatty) this.#listen()
    this.driver.onCall = (hook, resource) => {
      this.#watchHook(hook, resource)
      const discarding = this.#discarding
      if (hook === 'discard') this.#discarding = true
      if (reentrant) this.#reenter()
      this.#discarding = discarding
    }
  }

  get live(): Caller[] {
    return this.callers.filter(({ followed, ended }) => {
      if (followed.outcome.state !== 'fulfilled' || ended) return false
      try {
        return followed.outcome.value.resource !== undefined
      } catch {
        return false // It is lost, closed or stale.
      }
    })
  }

  get pending(): Caller[] {
    return this.callers.filter(({ followed }) => followed.outcome.state === 'pending')
  }

  /** Adds listeners that use the pool in the middle of its operations. */
  #listen(): void {
    let calls = 0
    const call = (): void => {
      if (++calls <= 20) this.acquire({ timeoutMillis: 100 })
    }
    for (const event of [
      'create',
      'createError',
      'destroy',
      'hookError',
      'processChange',
    ] as const) {
      this.pool.on(event, call)
    }
  }

  /** Runs a different action at each hook, in the middle of the operations of the pool. */
  #reenter(): void {
    const actions = [
      () => this.acquire({ timeoutMillis: 100 }),
      () => this.#endSomeLease('release'),
      () => this.pool.recycle(),
      () => this.#endSomeLease('destroy'),
      () => this.resize({ min: this.#reentries % 2, max: 2 + (this.#reentries % 3) }),
      () => this.warmUps.push(follow(this.pool.warmUp())),
      () => this.pool.stats,
      () => pick(watchedBy(this.driver), this.#reentries)?.retire(),
    ]
    if (this.#reentries < REENTRIES) actions[this.#reentries++ % actions.length]?.()
  }

  #endSomeLease(how: 'release' | 'destroy'): void {
    const caller = this.live[0]
    if (caller !== undefined) giveBack(caller, how)
  }

  #watchHook(hook: HookName, resource: FakeResource | undefined): void {
    const writes = ['create', 'validate', 'reset', 'destroy'].includes(hook)
    if (writes && this.process.forked) this.broken.push(`${hook} in a child that knows nothing`)
    if (writes && (resource?.discards ?? 0) > 0) this.broken.push(`${hook} of a discarded resource`)
    if (writes && (resource?.destroys ?? 0) > 0) this.broken.push(`${hook} of a destroyed resource`)
    const { creating, wanted } = this.driver
    const { max } = this.pool.stats
    if (hook !== 'create' || this.#discarding) return
    if (creating + wanted.length > max && --this.#unbegun < 0) {
      this.broken.push(`${creating} opening and ${wanted.length} open, of ${max}`)
    }
    if (creating > 2) this.broken.push(`${creating} opening at once`)
  }

  acquire(options: { timeoutMillis?: number; priority?: number }): void {
    const controller = new AbortController()
    const { timeoutMillis = ACQUIRE_TIMEOUT, priority = 0 } = options
    const asked = this.#moment++
    const followed = follow(this.pool.acquire({ ...options, signal: controller.signal }))
    this.callers.push({
      priority,
      deadline: performance.now() + timeoutMillis,
      controller,
      asked,
      queued: this.#moment++,
      followed,
      ended: false,
    })
  }

  resize(size: { min: number; max: number }): void {
    this.#unbegun = this.pool.stats.creating - this.driver.creating
    this.pool.resize(size)
  }

  /** Checks what holds at every moment, also between two microtasks. */
  checkAlways(): void {
    expect(this.broken).toEqual([])
    const { size, idle, borrowed, waiting, creating, destroying } = this.pool.stats
    for (const count of [size, idle, borrowed, waiting, creating, destroying]) {
      expect(count).toBeGreaterThanOrEqual(0)
    }
    expect(idle + borrowed + creating + destroying).toBeLessThanOrEqual(size)
    for (const { destroys, discards } of this.driver.resources) {
      expect(destroys).toBeLessThanOrEqual(1)
      expect(discards).toBeLessThanOrEqual(1)
      if (this.changes === 0) expect(destroys + discards).toBeLessThanOrEqual(1)
    }
  }

  /** Checks what holds when nothing is in flight. */
  checkSettled(): void {
    this.checkAlways()
    this.#unbegun = 0
    for (const { deadline } of this.pending) expect(deadline).toBeGreaterThan(performance.now() - 2)
    this.#checkOrder()
    // In a child that has not noticed the fork, the numbers are still the parent's, and reading them would be a use.
    if (this.process.forked) return
    const { live } = this
    const stats = this.pool.stats
    const lent = live.map(({ followed: { outcome } }) =>
      outcome.state === 'fulfilled' ? outcome.value.resource : undefined,
    )
    expect(new Set(lent).size).toBe(lent.length)
    for (const resource of lent) expect(resource?.open).toBe(true)
    for (const [at, caller] of live.entries()) this.#checkRetired(caller, lent[at])
    expect(this.#numbersOf(stats)).toEqual({
      borrowed: live.length,
      waiting: this.pending.length,
      creating: this.driver.creating,
      destroying: this.driver.open.filter(({ closing }) => closing).length,
    })
    // A caller may wait for a validation although there are idle resources, since they are as old.
    const { size, idle, borrowed, creating, destroying } = stats
    const validating = size - idle - borrowed - creating - destroying
    if (stats.waiting > validating) expect(idle).toBe(0)
  }

  /** Checks that nobody gets a resource that has announced its end: it keeps the holder that it had. */
  #checkRetired(caller: Caller, resource: FakeResource | undefined): void {
    if (!resource?.retired) return
    const holders = this.#lastHolders.get(resource) ?? new Set()
    this.#lastHolders.set(resource, holders.add(caller))
    expect(holders.size).toBe(1)
  }

  #numbersOf({ borrowed, waiting, creating, destroying }: PoolStats): object {
    return { borrowed, waiting, creating, destroying }
  }

  /** Checks that no caller is served while an earlier one with the same priority waits. */
  #checkOrder(): void {
    const served = this.callers.filter(({ followed }) => followed.outcome.state === 'fulfilled')
    for (const { priority, queued } of this.pending) {
      // A listener may call in the middle of another call. The order of those two is undefined.
      const overtaking = served.filter(
        (other) => other.priority === priority && other.asked > queued,
      )
      expect(overtaking).toEqual([])
    }
  }

  /** Repairs the server, releases all leases, and closes the pool. */
  async end(): Promise<void> {
    const { driver, pool } = this
    this.#reentries = REENTRIES
    this.changes += this.process.forked ? 1 : 0
    for (const hook of Object.keys(driver.plans) as HookName[]) driver.plans[hook] = 'pass'
    driver.failureKind = 'transient'
    driver.valid = true
    while (driver.pending[0] !== undefined) driver.settle(driver.pending[0].hook)
    for (let round = 0; round < 4; round++) {
      await settled()
      for (const caller of this.live) giveBack(caller, 'release')
    }
    await pass(ACQUIRE_TIMEOUT)
    for (const caller of this.live) giveBack(caller, 'release')
    expect(this.pending).toEqual([])
    await pass(1_000)
    this.closes.push(follow(pool.close({ deadlineMillis: 1_000 })))
    await pass(31_500)
    for (const { outcome } of this.closes) expect(outcome.state).toBe('fulfilled')
    for (const { outcome } of this.warmUps) expect(outcome.state).not.toBe('pending')
    expect(driver.open).toEqual([])
    this.checkAlways()
    expect(pool.stats).toMatchObject({
      size: 0,
      idle: 0,
      borrowed: 0,
      waiting: 0,
      creating: 0,
      destroying: 0,
    })
    expect(vi.getTimerCount()).toBe(0)
  }
}

function giveBack(caller: Caller, how: 'release' | 'destroy'): void {
  const { outcome } = caller.followed
  if (outcome.state !== 'fulfilled' || caller.ended) return
  caller.ended = true
  outcome.value[how]()
}

/** One step of a story. A failure prints its name. */
type Step = fc.AsyncCommand<object, World>

function step(name: string, run: (world: World) => void | Promise<void>): Step {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world)
      world.checkAlways()
    },
    toString: () => name,
  }
}

const index = fc.nat({ max: 7 })
function pick<T>(from: readonly T[], at: number): T | undefined {
  return from.length === 0 ? undefined : from[at % from.length]
}

function watchedBy(driver: FakeDriver): FakeResource[] {
  const watched = new Set(driver.calls.filter(({ hook }) => hook === 'watch').map(({ id }) => id))
  return driver.resources.filter(({ id }) => watched.has(id))
}

const plan: fc.Arbitrary<Plan> = fc.constantFrom<Plan>(
  'pass',
  'reject',
  'throw',
  'hang',
  { afterMillis: 20, outcome: 'pass' },
  { afterMillis: 20, outcome: 'reject' },
)
const hook = fc.constantFrom<HookName>(
  'create',
  'create',
  'validate',
  'reset',
  'destroy',
  'watch',
  'ref',
  'unref',
)

const acquire = fc
  .record({
    timeoutMillis: fc.constantFrom(undefined, undefined, 0, 50, 2_000),
    priority: fc.constantFrom(undefined, undefined, -1, 1),
  })
  .map(({ timeoutMillis, priority }) => {
    const options = {
      ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
      ...(priority === undefined ? {} : { priority }),
    }
    return step(`acquire(${JSON.stringify(options)})`, (world) => world.acquire(options))
  })

/** The steps that only let time pass and let operations in flight progress. */
const progress: fc.Arbitrary<Step>[] = [
  fc.constant(
    step('everything settles', async (world) => {
      await settled()
      world.checkSettled()
    }),
  ),
  fc.nat({ max: 12 }).map((rounds) => step(`${rounds} microtasks`, () => microtasks(rounds))),
  fc.constantFrom(1, 25, 130, 800, 4_000).map((millis) =>
    step(`${millis} ms pass`, async (world) => {
      await pass(millis)
      world.checkSettled()
    }),
  ),
]

const giveBacks: fc.Arbitrary<Step>[] = [
  fc.tuple(index, fc.constantFrom('release' as const, 'destroy' as const)).map(([at, how]) =>
    step(`holder ${at} calls ${how}()`, (world) => {
      const caller = pick(
        world.callers.filter(
          ({ followed, ended }) => followed.outcome.state === 'fulfilled' && !ended,
        ),
        at,
      )
      if (caller !== undefined) giveBack(caller, how)
    }),
  ),
  index.map((at) =>
    step(`former holder ${at} releases again`, (world) => {
      const { outcome } = pick(
        world.callers.filter(({ ended }) => ended),
        at,
      )?.followed ?? {
        outcome: { state: 'pending' },
      }
      if (outcome.state !== 'fulfilled') return
      try {
        outcome.value.release()
      } catch (error) {
        expect(error).toBeInstanceOf(LeaseReleasedError)
      }
    }),
  ),
  index.map((at) =>
    step(`waiter ${at} aborts`, (world) => {
      pick(world.pending, at)?.controller.abort(new Error('given up'))
    }),
  ),
]

const server: fc.Arbitrary<Step>[] = [
  fc.tuple(hook, plan).map(([hook, plan]) =>
    step(`from now on ${hook} does ${JSON.stringify(plan)}`, ({ driver }) => {
      driver.plans[hook] = plan
    }),
  ),
  fc
    .tuple(hook, fc.constantFrom('pass' as const, 'reject' as const))
    .map(([hook, how]) =>
      step(`every ${hook} in flight does ${how}`, ({ driver }) => driver.settle(hook, how)),
    ),
  index.map((at) =>
    step(`resource ${at} dies`, ({ driver }) => pick(watchedBy(driver), at)?.lose()),
  ),
  index.map((at) =>
    step(`resource ${at} announces its end`, ({ driver }) => pick(watchedBy(driver), at)?.retire()),
  ),
  fc.constantFrom<CreateFailure>('transient', 'fatal', 'full', 'single').map((kind) =>
    step(`failures are ${kind}`, ({ driver }) => {
      driver.failureKind = kind
    }),
  ),
  fc.boolean().map((valid) =>
    step(`resources are ${valid ? 'valid' : 'invalid'}`, ({ driver }) => {
      driver.valid = valid
    }),
  ),
]

const management: fc.Arbitrary<Step>[] = [
  fc
    .tuple(fc.nat({ max: 2 }), fc.integer({ min: 2, max: 4 }))
    .map(([min, max]) => step(`resize to ${min}..${max}`, (world) => world.resize({ min, max }))),
  fc.constant(step('recycle()', ({ pool }) => pool.recycle())),
  fc.constant(
    step('warmUp()', (world) => {
      world.warmUps.push(follow(world.pool.warmUp()))
    }),
  ),
]

const changes: fc.Arbitrary<Step>[] = [
  fc.constant(step('the process forks, and calls the hook', ({ process }) => process.hook())),
  fc.constant(step('the process forks, without a hook', ({ process }) => process.fork())),
]

const closing = fc.constantFrom(0, 100, 30_000).map((deadlineMillis) =>
  step(`close({ deadlineMillis: ${deadlineMillis} })`, (world) => {
    world.closes.push(follow(world.pool.close({ deadlineMillis })))
  }),
)

/** Returns a random step. Most steps are about lending, the others about events that disturb it. */
const story = fc.commands(
  [
    acquire,
    acquire,
    ...progress,
    ...progress,
    ...giveBacks,
    giveBacks[0] ?? acquire,
    ...server,
    ...management,
    ...changes,
    closing,
  ],
  { maxCommands: 60, size: 'max' },
)

const setup: fc.Arbitrary<Setup> = fc.record({
  hooks: fc.boolean(),
  heedsAbort: fc.boolean(),
  chatty: fc.boolean(),
  reentrant: fc.boolean(),
  min: fc.nat({ max: 2 }),
  max: fc.integer({ min: 2, max: 4 }),
  fifo: fc.boolean(),
})

test('the invariants of the pool hold for random sequences of calls, server failures and process changes', async () => {
  await fc.assert(
    fc.asyncProperty(setup, story, async (setup, steps) => {
      vi.clearAllTimers() // A failed story leaves timers.
      const world = new World(setup)
      const unhandled = await unhandledIn(async () => {
        await fc.asyncModelRun(() => ({ model: {}, real: world }), steps)
        await world.end()
      })
      expect(unhandled).toEqual([])
    }),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 300) },
  )
}, 600_000)
