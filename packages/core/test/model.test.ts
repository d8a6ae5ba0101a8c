import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type CreateFailure, LeaseReleasedError, type Lease, type PoolStats } from '../src/index.ts'
import { Pool } from '../src/pool.ts'
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

/** A call of `share`. */
interface Request {
  readonly priority: number
  readonly deadline: number
  readonly seal: boolean
  readonly controller: AbortController
  readonly asked: number
  readonly queued: number
  readonly followed: { readonly outcome: Outcome<unknown> }
  /** The resource on which it was sent, and its answer. */
  sentOn: FakeResource | undefined
  answered: boolean
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
  /** Whether the driver can share, and which of its resources it accepts. */
  readonly share: { readonly accepting: boolean; readonly maxInFlight: number } | undefined
}

/** A pool, its server and its callers, with the invariants that must always hold. */
class World {
  readonly process = new FakeProcess()
  readonly driver: FakeDriver
  readonly pool: Pool<FakeResource>
  readonly callers: Caller[] = []
  readonly requests: Request[] = []
  /** The maximum number of requests in flight on one resource. */
  readonly #limit: number
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
    const { hooks, heedsAbort, chatty, reentrant, share, ...options } = setup
    this.#limit = share?.accepting === true ? share.maxInFlight : 1
    this.driver = new FakeDriver({
      heedsAbort,
      share: share && ['accepts', 'full', 'flush'],
      ...(share && { maxInFlight: share.maxInFlight }),
      hooks: hooks ? ['watch', 'validate', 'reset', 'ref', 'unref', 'classify'] : ['watch'],
    })
    this.driver.accepting = share?.accepting ?? false
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

  get unsent(): Request[] {
    return this.requests.filter(
      ({ followed, sentOn }) => followed.outcome.state === 'pending' && sentOn === undefined,
    )
  }

  /** The requests in flight whose caller still waits. */
  get sent(): Request[] {
    return this.requests.filter(
      ({ followed, sentOn }) => followed.outcome.state === 'pending' && sentOn !== undefined,
    )
  }

  /** The resources that the pool still has, and on which requests are in flight. */
  get busy(): FakeResource[] {
    return this.driver.open.filter(({ closing, requests }) => !closing && requests.length > 0)
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
      () => this.share({ timeoutMillis: 100, seal: this.#reentries % 3 === 0 }),
      () => this.busy[0]?.answer(),
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
    const writes = ['create', 'validate', 'reset', 'destroy', 'flush'].includes(hook)
    if (writes && this.process.forked) this.broken.push(`${hook} in a child that knows nothing`)
    if (writes && (resource?.discards ?? 0) > 0) this.broken.push(`${hook} of a discarded resource`)
    if (writes && (resource?.destroys ?? 0) > 0) this.broken.push(`${hook} of a destroyed resource`)
    if (resource !== undefined) this.#watchSharing(hook, resource)
    const { creating, wanted } = this.driver
    const { max } = this.pool.stats
    if (hook !== 'create' || this.#discarding) return
    if (creating + wanted.length > max && --this.#unbegun < 0) {
      this.broken.push(`${creating} opening and ${wanted.length} open, of ${max}`)
    }
    if (creating > 2) this.broken.push(`${creating} opening at once`)
  }

  #watchSharing(hook: HookName, { closing, open, requests, sharing }: FakeResource): void {
    const isBusy = requests.length > 0
    const broken = {
      begin: isBusy || sharing || closing || !open,
      end: isBusy || !sharing || closing || !open,
      full: !sharing || closing || !open,
      flush: !sharing || closing || !open,
      validate: isBusy || sharing,
      reset: isBusy || sharing,
    }[hook as string]
    if (broken === true) this.broken.push(`${hook} with ${requests.length} requests in flight`)
  }

  share(options: { timeoutMillis?: number; priority?: number; seal?: boolean }): void {
    const controller = new AbortController()
    const { timeoutMillis = ACQUIRE_TIMEOUT, priority = 0, seal = false } = options
    const asked = this.#moment++
    const request: Request = {
      priority,
      deadline: performance.now() + timeoutMillis,
      seal,
      controller,
      asked,
      // Known only after the call.
      queued: Infinity,
      followed: { outcome: { state: 'pending' } },
      sentOn: undefined,
      answered: false,
    }
    this.requests.push(request)
    const work = (resource: FakeResource): Promise<unknown> => this.#send(request, resource)
    const followed = follow(this.pool.share(work, { ...options, signal: controller.signal }))
    Object.assign(request, { followed, queued: this.#moment++ })
  }

  #send(request: Request, resource: FakeResource): Promise<unknown> {
    const { closing, open, requests, sharing } = resource
    const sealed = this.requests.some(
      ({ answered, seal, sentOn }) => seal && sentOn === resource && !answered,
    )
    const what = `a request on resource ${resource.id}`
    if (request.sentOn !== undefined) this.broken.push(`${what} is sent twice`)
    if (this.process.forked) this.broken.push(`${what} is sent in a child that knows nothing`)
    if (closing || !open) this.broken.push(`${what} is sent after its end`)
    if (requests.length >= this.#limit) this.broken.push(`${what} is beyond the limit`)
    if (resource.retired) this.broken.push(`${what} is sent after it has announced its end`)
    if (sealed) this.broken.push(`${what} is sent behind a sealed one`)
    if (resource.full && requests.length > 0) this.broken.push(`${what} is sent when it is full`)
    if (sharing !== this.#limit > 1) this.broken.push(`${what} is sent without begin`)
    const isLent = this.live.some(({ followed: { outcome } }) => {
      return outcome.state === 'fulfilled' && outcome.value.resource === resource
    })
    if (isLent) this.broken.push(`${what} is sent while it is lent`)
    request.sentOn = resource
    const over = (): void => {
      request.answered = true
    }
    const answer = resource.request()
    answer.then(over, over)
    return answer
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
    const { size, idle, borrowed, shared, inFlight, waiting, creating, destroying } =
      this.pool.stats
    for (const count of [size, idle, borrowed, shared, inFlight, waiting, creating, destroying]) {
      expect(count).toBeGreaterThanOrEqual(0)
    }
    expect(idle + borrowed + shared + creating + destroying).toBeLessThanOrEqual(size)
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
    for (const { deadline } of [...this.pending, ...this.unsent])
      expect(deadline).toBeGreaterThan(performance.now() - 2)
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
    for (const resource of lent) expect(resource).toMatchObject({ requests: [], sharing: false })
    const { busy } = this
    const isShared = this.#limit > 1
    for (const { requests } of busy) expect(requests.length).toBeLessThanOrEqual(this.#limit)
    expect(this.driver.wanted.filter(({ closing, sharing }) => sharing && !closing)).toEqual(
      isShared ? busy : [],
    )
    expect(this.#numbersOf(stats)).toEqual({
      borrowed: live.length + (isShared ? 0 : busy.length),
      shared: isShared ? busy.length : 0,
      inFlight: busy.reduce((sum, { requests }) => sum + requests.length, 0),
      waiting: this.pending.length + this.unsent.length,
      creating: this.driver.creating,
      destroying: this.driver.open.filter(({ closing }) => closing).length,
    })
    // A caller may wait for a validation although there are idle resources, since they are as old.
    const { size, idle, borrowed, shared, creating, destroying } = stats
    const validating = size - idle - borrowed - shared - creating - destroying
    if (stats.waiting > validating) expect(idle).toBe(0)
    if (this.pending.length === 0 && this.unsent.length > creating + validating) {
      expect(this.#withRoom()).toEqual([])
    }
  }

  /** Checks that nobody gets a resource that has announced its end: it keeps the holder that it had. */
  #checkRetired(caller: Caller, resource: FakeResource | undefined): void {
    if (!resource?.retired) return
    const holders = this.#lastHolders.get(resource) ?? new Set()
    this.#lastHolders.set(resource, holders.add(caller))
    expect(holders.size).toBe(1)
  }

  /** Returns the resources on which another request can be sent. */
  #withRoom(): FakeResource[] {
    const { context, stock } = Pool.partsOf(this.pool)
    const staying = [...stock.entries].filter(({ expiresAt, retired, sharers, uses }) => {
      const { surplus } = (sharers ?? {}) as { readonly surplus?: boolean }
      if (expiresAt <= context.clock.monotonic || retired !== undefined || surplus === true)
        return false
      return uses < context.options.maxUses
    })
    return this.busy.filter((resource) => {
      const last = this.requests.filter(({ answered, sentOn }) => sentOn === resource && !answered)
      if (resource.full || resource.requests.length >= this.#limit) return false
      if (last.some(({ seal }) => seal)) return false
      return staying.some((entry) => entry.resource === resource)
    })
  }

  #numbersOf(stats: PoolStats): object {
    const { borrowed, shared, inFlight, waiting, creating, destroying } = stats
    return { borrowed, shared, inFlight, waiting, creating, destroying }
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
    const sent = this.requests.filter(({ sentOn }) => sentOn !== undefined)
    for (const { priority, queued } of this.unsent) {
      const overtaking = sent.filter((other) => other.priority === priority && other.asked > queued)
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
      this.#returnAll()
    }
    await pass(ACQUIRE_TIMEOUT)
    // Listeners may call again.
    for (let round = 0; round < 20; round++) {
      this.#returnAll()
      await settled()
    }
    expect(this.pending).toEqual([])
    expect(this.unsent).toEqual([])
    expect(this.sent).toEqual([])
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
      shared: 0,
      inFlight: 0,
      waiting: 0,
      creating: 0,
      destroying: 0,
    })
    expect(vi.getTimerCount()).toBe(0)
  }

  /** Releases all leases, and answers all requests. */
  #returnAll(): void {
    for (const resource of this.driver.resources) {
      resource.full = false
      resource.answerAll()
    }
    for (const caller of this.live) giveBack(caller, 'release')
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
  'begin',
  'end',
  'full',
  'flush',
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

const sharing: fc.Arbitrary<Step>[] = [
  fc
    .record({
      timeoutMillis: fc.constantFrom(undefined, undefined, 0, 50, 2_000),
      priority: fc.constantFrom(undefined, undefined, -1, 1),
      seal: fc.constantFrom(undefined, undefined, true),
      count: fc.constantFrom(1, 1, 2, 5),
    })
    .map(({ timeoutMillis, priority, seal, count }) => {
      const options = {
        ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
        ...(priority === undefined ? {} : { priority }),
        ...(seal === undefined ? {} : { seal }),
      }
      return step(`${count} x share(${JSON.stringify(options)})`, (world) => {
        for (let i = 0; i < count; i++) world.share(options)
      })
    }),
  fc
    .tuple(index, fc.nat({ max: 2 }), fc.constantFrom('answer', 'answer', 'fail'))
    .map(([at, nth, how]) =>
      step(`request ${nth} on resource ${at} gets its ${how}`, ({ busy }) => {
        const request = pick(pick(busy, at)?.requests ?? [], nth)
        if (how === 'answer') request?.answer()
        else request?.fail()
      }),
    ),
  index.map((at) =>
    step(`everything on resource ${at} is answered`, ({ busy }) => {
      pick(busy, at)?.answerAll()
    }),
  ),
  index.map((at) =>
    step(`unsent request ${at} aborts`, ({ unsent }) => {
      pick(unsent, at)?.controller.abort(new Error('given up'))
    }),
  ),
  index.map((at) =>
    step(`sent request ${at} aborts`, ({ sent }) => {
      pick(sent, at)?.controller.abort(new Error('given up'))
    }),
  ),
  fc.tuple(index, fc.boolean()).map(([at, full]) =>
    step(`resource ${at} is ${full ? '' : 'not '}full`, ({ busy }) => {
      const resource = pick(busy, at)
      if (resource !== undefined) resource.full = full
    }),
  ),
]

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
    ...sharing,
    ...sharing.slice(0, 3),
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
  share: fc.option(
    fc.record({
      accepting: fc.constantFrom(true, true, false),
      maxInFlight: fc.constantFrom(1, 2, 3),
    }),
    { nil: undefined },
  ),
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
