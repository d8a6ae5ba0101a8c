import { expectTypeOf, test } from 'vitest'
import {
  type AcquireTimeoutError,
  createForkSafePool,
  defineDriver,
  type DestroyReason,
  type Driver,
  type ForkSafePool,
  type Lease,
  type PoolOptions,
  type PoolStats,
} from '../src/index.ts'

interface Client {
  query(text: string): Promise<number>
}
interface Config {
  readonly host: string
}

const client: Client = { query: async () => 1 }

const withConnection = defineDriver({
  name: 'typed',
  create: async (connection: Config, { signal }) => {
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    expectTypeOf(connection).toEqualTypeOf<Config>()
    return client
  },
  destroy: () => undefined,
  discard: () => undefined,
  methods: (pool: ForkSafePool<Client>) => ({
    query: (text: string) => pool.use((resource) => resource.query(text)),
  }),
})

const without: Driver<Client> = {
  name: 'plain',
  create: async () => client,
  destroy: () => undefined,
  discard: () => undefined,
}

test('the resource is inferred from the driver', () => {
  const pool = createForkSafePool(withConnection, { connection: { host: 'db' } })
  expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
  expectTypeOf<Lease<Client>['resource']>().toEqualTypeOf<Client>()
  expectTypeOf(pool.stats).toEqualTypeOf<PoolStats>()
})

test('use() returns the awaited result of its work', () => {
  const pool = createForkSafePool(without, {})
  expectTypeOf(pool.use((resource) => resource.query('select 1'))).toEqualTypeOf<Promise<number>>()
  expectTypeOf(pool.use(() => 'now')).toEqualTypeOf<Promise<string>>()
  void pool.use((resource, lease) => {
    expectTypeOf(resource).toEqualTypeOf<Client>()
    expectTypeOf(lease).toEqualTypeOf<Lease<Client>>()
  })
})

test('the methods of the driver are on the pool', () => {
  const pool = createForkSafePool(withConnection, { connection: { host: 'db' } })
  expectTypeOf(pool.query).toEqualTypeOf<(text: string) => Promise<number>>()
  // @ts-expect-error There is no such method.
  expectTypeOf(pool.execute)
  // @ts-expect-error This driver has no methods.
  expectTypeOf(createForkSafePool(without, {}).query)
})

/** The possible values of the connection. */
type OptionsOf<D> = D extends Driver<infer _R, infer C, infer _M> ? PoolOptions<C> : never

test('the connection is required, with the type of the driver, or as a function that returns it', () => {
  type Options = OptionsOf<typeof withConnection>
  expectTypeOf<{ connection: { host: string } }>().toExtend<Options>()
  expectTypeOf<{ connection: () => { host: string } }>().toExtend<Options>()
  expectTypeOf<{ connection: () => Promise<{ host: string }>; max: 5 }>().toExtend<Options>()
  expectTypeOf<{ max: 5 }>().not.toExtend<Options>()
  expectTypeOf<{ connection: { port: 5 } }>().not.toExtend<Options>()
  expectTypeOf<{ connection: () => string }>().not.toExtend<Options>()
})

test('a driver that needs no connection takes none', () => {
  type Options = OptionsOf<typeof without>
  expectTypeOf<object>().toExtend<Options>()
  expectTypeOf<{ max: 5; connection: undefined }>().toExtend<Options>()
  expectTypeOf<{ connection: string }>().not.toExtend<Options>()
})

test('a driver whose create ignores the connection takes none either', () => {
  const driver = defineDriver({
    name: 'plain',
    create: async () => client,
    destroy: () => undefined,
    discard: () => undefined,
  })
  expectTypeOf(createForkSafePool(driver, {}).acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
})

test('options are checked by name and type', () => {
  const open = (options: PoolOptions<void>) => createForkSafePool(without, options)
  expectTypeOf(open({ max: undefined, backoff: { minMillis: undefined } })).toBeObject()
  // @ts-expect-error No such option.
  open({ idleTimeout: 5 })
  // @ts-expect-error It must be a number.
  open({ max: '5' })
  // @ts-expect-error It must be one of three words.
  open({ forkDetection: 'never' })
})

test('a resource is an object', () => {
  // @ts-expect-error A number is not an object.
  expectTypeOf<Driver<number>>()
})

test('events are typed', () => {
  const pool = createForkSafePool(without, {})
  pool.on('destroy', (details) => {
    expectTypeOf(details.reason).toEqualTypeOf<DestroyReason>()
    expectTypeOf(details.durationMillis).toEqualTypeOf<number>()
    expectTypeOf(details.error).toEqualTypeOf<unknown>()
  })
  pool.once('processChange', ({ reason, discarded }) => {
    expectTypeOf(reason).toEqualTypeOf<'fork' | 'snapshot' | 'restore' | 'thaw'>()
    expectTypeOf(discarded).toEqualTypeOf<number>()
  })
  pool.on('close', (...details) => {
    expectTypeOf(details).toEqualTypeOf<[]>()
  })
  expectTypeOf(pool.on('create', () => undefined)).toEqualTypeOf(pool)
  // @ts-expect-error There is no such event.
  pool.on('error', () => undefined)
  // @ts-expect-error This listener uses a property that the event does not have.
  pool.on('leak', (details: { readonly nothing: string }) => details.nothing)
})

test('a pool and a lease can be used with using', () => {
  expectTypeOf<ForkSafePool<Client>>().toExtend<AsyncDisposable>()
  expectTypeOf<Lease<Client>>().toExtend<Disposable & AsyncDisposable>()
})

test('errors can be narrowed by their code', () => {
  expectTypeOf<AcquireTimeoutError['code']>().toEqualTypeOf<'FORKSAFE_ACQUIRE_TIMEOUT'>()
  expectTypeOf<AcquireTimeoutError['phase']>().toEqualTypeOf<
    'waiting' | 'creating' | 'validating' | 'budget'
  >()
  expectTypeOf<AcquireTimeoutError['stats']>().toEqualTypeOf<PoolStats>()
})

test('a lease can be forwarded by a function that is generic in its resource', () => {
  const resourceOf = <R>(lease: Lease<R>): R => lease.resource
  expectTypeOf(resourceOf<Client>)
    .parameter(0)
    .toEqualTypeOf<Lease<Client>>()
})

test('a fake pool in a test needs only the documented stats', () => {
  const stats: PoolStats = {
    name: 'made up',
    generation: 1,
    min: 0,
    max: 1,
    size: 0,
    idle: 0,
    borrowed: 0,
    shared: 0,
    inFlight: 0,
    waiting: 0,
    creating: 0,
    destroying: 0,
    acquired: 0,
    timedOut: 0,
    rejected: 0,
    created: 0,
    createFailures: 0,
    destroyed: {
      broken: 0,
      lost: 0,
      invalid: 0,
      reset: 0,
      idle: 0,
      lifetime: 0,
      uses: 0,
      trim: 0,
      resize: 0,
      retire: 0,
      recycle: 0,
      close: 0,
      late: 0,
      budget: 0,
    },
    discarded: 0,
    totalWaitMillis: 0,
    totalHoldMillis: 0,
    permits: 0,
    wanted: 0,
  }
  expectTypeOf(stats).toExtend<ForkSafePool<Client>['stats']>()
})

test('the properties of a lease are read-only', () => {
  type Settable = Partial<{ resource: Client; generation: number }>
  expectTypeOf<Lease<Client>>().not.toEqualTypeOf<Lease<Client> & Settable>()
})
