import { describe, expectTypeOf, test } from 'vitest'
import {
  createForkSafePool,
  defineDriver,
  type Driver,
  type ForkSafePool,
  type Lease,
  type PoolOptions,
} from '../src/index.ts'

// A driver declares only the type of its `create`. All other types are inferred from it.

class Client {
  readonly broken: boolean = false
  query(_text: string): Promise<number> {
    return Promise.resolve(1)
  }
  close(): void {}
}
interface Config {
  readonly host: string
}

/** Marks a place that must compile. */
function expectPool(pool: ForkSafePool<Client>): void {
  expectTypeOf(pool).toEqualTypeOf<ForkSafePool<Client>>()
}

/** The hooks that all drivers of these tests share. */
const ending = {
  destroy: (client: Client) => client.close(),
  discard: (client: Client) => client.close(),
}

describe('a driver that needs no connection', () => {
  const driver = defineDriver({
    name: 'none',
    create: async () => new Client(),
    destroy: (client) => client.close(),
    discard: (client) => client.close(),
  })

  test('has a pool without one', () => {
    expectPool(createForkSafePool(driver, {}))
    expectPool(createForkSafePool(driver, { max: 2 }))
  })

  test('may still use the signal', () => {
    const patient = defineDriver({
      name: 'none',
      create: async (_connection: void, { signal }) => {
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        return new Client()
      },
      ...ending,
    })
    expectTypeOf(patient).toEqualTypeOf<Driver<Client, void, object>>()
    expectPool(createForkSafePool(patient, {}))
    // @ts-expect-error The connection would be ignored.
    expectPool(createForkSafePool(patient, { connection: 'db' }))
  })
})

describe('a driver that needs a connection', () => {
  const driver = defineDriver({
    name: 'some',
    create: async (connection: Config, { signal }) => {
      expectTypeOf(connection).toEqualTypeOf<Config>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      return new Client()
    },
    validate: (client) => !client.broken,
    reset: async (client) => void (await client.query('reset')),
    watch(client, lost) {
      expectTypeOf(client).toEqualTypeOf<Client>()
      expectTypeOf(lost).toEqualTypeOf<(error: Error) => void>()
    },
    ref: (client) => expectTypeOf(client).toEqualTypeOf<Client>(),
    unref: (client) => expectTypeOf(client).toEqualTypeOf<Client>(),
    classify: () => 'fatal',
    ...ending,
  })

  test('takes a value, or a function that returns one or a promise of one', () => {
    expectPool(createForkSafePool(driver, { connection: { host: 'db' } }))
    expectPool(createForkSafePool(driver, { connection: () => ({ host: 'db' }) }))
    expectPool(createForkSafePool(driver, { connection: async () => ({ host: 'db' }) }))
    type Given = PoolOptions<Config>['connection']
    expectTypeOf<Given>().toEqualTypeOf<Config | (() => Config | Promise<Config>)>()
  })

  test('takes nothing else', () => {
    // @ts-expect-error The connection is missing.
    expectPool(createForkSafePool(driver, {}))
    // @ts-expect-error Another type.
    expectPool(createForkSafePool(driver, { connection: 'db' }))
    // @ts-expect-error Another property.
    expectPool(createForkSafePool(driver, { connection: { port: 5 } }))
    // @ts-expect-error A function that returns another type.
    expectPool(createForkSafePool(driver, { connection: () => 'db' }))
    // @ts-expect-error A function that returns a promise of another type.
    expectPool(createForkSafePool(driver, { connection: async () => 'db' }))
    // @ts-expect-error An additional property.
    expectPool(createForkSafePool(driver, { connection: { host: 'db', prot: 5 } }))
    // @ts-expect-error A function with a parameter.
    expectPool(createForkSafePool(driver, { connection: (host: string) => ({ host }) }))
  })

  test('takes a nullable value only after a check', () => {
    const host: string | undefined = process.env['HOST']
    const config = host === undefined ? undefined : { host }
    // @ts-expect-error The value may be undefined.
    expectPool(createForkSafePool(driver, { connection: config }))
    // @ts-expect-error The value is undefined.
    expectPool(createForkSafePool(driver, { connection: undefined }))
    // @ts-expect-error The value is null.
    expectPool(createForkSafePool(driver, { connection: null }))
    // @ts-expect-error The function may return undefined.
    expectPool(createForkSafePool(driver, { connection: () => config }))
    // @ts-expect-error The promise may resolve to undefined.
    expectPool(createForkSafePool(driver, { connection: async () => config }))
    if (config !== undefined) expectPool(createForkSafePool(driver, { connection: config }))
  })

  test('takes options that were created elsewhere', () => {
    interface Own extends PoolOptions<Config> {
      readonly verbose: boolean
    }
    const own: Own = { connection: { host: 'db' }, verbose: true }
    const { verbose: _, ...options } = own
    expectPool(createForkSafePool(driver, options))
    const inferred = { connection: { host: 'db', port: 5 }, max: 3 }
    expectPool(createForkSafePool(driver, inferred))
    expectPool(createForkSafePool(driver, { ...inferred, name: 'other' }))
  })

  test('may accept several kinds', () => {
    const either = defineDriver({
      name: 'either',
      create: async (_connection: string | Config) => new Client(),
      ...ending,
    })
    expectPool(createForkSafePool(either, { connection: 'db' }))
    expectPool(createForkSafePool(either, { connection: () => ({ host: 'db' }) }))
    // @ts-expect-error Neither type.
    expectPool(createForkSafePool(either, { connection: 5 }))
  })

  test('may be optional: then it can be omitted', () => {
    const optional = defineDriver({
      name: 'optional',
      create: async (_connection?: Config) => new Client(),
      ...ending,
    })
    expectPool(createForkSafePool(optional, {}))
    expectPool(createForkSafePool(optional, { connection: { host: 'db' } }))
    expectPool(createForkSafePool(optional, { connection: () => undefined }))
    // @ts-expect-error Another type.
    expectPool(createForkSafePool(optional, { connection: 'db' }))
  })

  test('may accept any type', () => {
    const any = defineDriver({
      name: 'any',
      // oxlint-disable-next-line typescript/no-explicit-any -- as in a driver written in JavaScript
      create: async (_connection: any) => new Client(),
      ...ending,
    })
    const unknown = defineDriver({
      name: 'unknown',
      create: async (_connection: unknown) => new Client(),
      ...ending,
    })
    expectPool(createForkSafePool(any, { connection: 5 }))
    expectPool(createForkSafePool(unknown, { connection: 5 }))
  })
})

describe('the methods of a driver', () => {
  const driver = defineDriver({
    name: 'methods',
    create: async (_connection: Config) => new Client(),
    ...ending,
    methods: (pool) => {
      expectTypeOf(pool).toEqualTypeOf<ForkSafePool<Client>>()
      return {
        query: (text: string) => pool.use((client) => client.query(text)),
        transaction: <T>(work: (client: Client) => Promise<T>) => pool.use(work),
      }
    },
  })
  const pool = createForkSafePool(driver, { connection: { host: 'db' } })

  test('are on the pool with their own types, including generic ones', () => {
    expectTypeOf(pool.query).toEqualTypeOf<(text: string) => Promise<number>>()
    expectTypeOf(pool.transaction(async () => 'done' as const)).toEqualTypeOf<Promise<'done'>>()
  })

  test('are absent from the pool of a driver without methods', () => {
    const plain = createForkSafePool(
      { ...driver, methods: () => ({}) },
      { connection: { host: 'db' } },
    )
    // @ts-expect-error There is no such method.
    expectTypeOf(plain.query)
  })

  test('are kept if a driver is derived from another', () => {
    const other = defineDriver({ ...driver, name: 'other', reset: () => undefined })
    expectTypeOf(other).toEqualTypeOf(driver)
  })
})

describe('a driver without defineDriver', () => {
  test('can be written inline where the pool is created', () => {
    const pool = createForkSafePool(
      {
        name: 'inline',
        create: async (_connection: Config) => new Client(),
        destroy: (client) => client.close(),
        discard: (client) => client.close(),
        methods: (pool) => ({ query: (text: string) => pool.use((client) => client.query(text)) }),
      },
      { connection: { host: 'db' } },
    )
    expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
    expectTypeOf(pool.query).toEqualTypeOf<(text: string) => Promise<number>>()
  })

  test('can leave the type of its connection to the options', () => {
    const pool = createForkSafePool(
      {
        name: 'inline',
        create: async (connection, { signal }) => {
          expectTypeOf(connection).toEqualTypeOf<{ host: string }>()
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
          return new Client()
        },
        ...ending,
      },
      { connection: { host: 'db' } },
    )
    expectPool(pool)
  })

  test('can be an object', () => {
    const driver = {
      name: 'object',
      create: async (_connection: Config) => new Client(),
      ...ending,
    }
    const pool = createForkSafePool(driver, { connection: { host: 'db' } })
    expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
    // @ts-expect-error Another property.
    expectPool(createForkSafePool(driver, { connection: { port: 5 } }))
  })

  test('can be an instance of a class', () => {
    class Classy implements Driver<Client, Config> {
      readonly name = 'classy'
      readonly destroy = ending.destroy
      readonly discard = ending.discard
      async create(_connection: Config): Promise<Client> {
        return new Client()
      }
    }
    const pool = createForkSafePool(new Classy(), { connection: { host: 'db' } })
    expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
  })
})

describe('a driver with types of its own', () => {
  function driverOf<T extends object>(make: () => Promise<T>) {
    return defineDriver({
      name: 'generic',
      create: make,
      destroy: () => undefined,
      discard: () => undefined,
      methods: (pool) => ({ with: <U>(work: (made: T) => Promise<U>) => pool.use(work) }),
    })
  }

  test('passes them to its pool', () => {
    const pool = createForkSafePool(
      driverOf(async () => new Client()),
      {},
    )
    expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Lease<Client>>>()
    expectTypeOf(pool.with((client) => client.query('select 1'))).toEqualTypeOf<Promise<number>>()
  })

  test('can be forwarded by a function that is generic in its connection and methods', () => {
    const open = <C, M extends object>(driver: Driver<Client, C, M>, options: PoolOptions<C>) =>
      createForkSafePool(driver, options)
    const driver = defineDriver({
      name: 'handed on',
      create: async (_connection: Config) => new Client(),
      ...ending,
      methods: () => ({ double: (n: number) => 2 * n }),
    })
    expectTypeOf(open(driver, { connection: { host: 'db' } }).double(2)).toEqualTypeOf<number>()
  })
})

test('use() returns the result of its work: a value, the value of a promise or thenable, or nothing', () => {
  const pool = createForkSafePool(
    { name: 'use', create: async () => new Client(), ...ending } as const,
    {},
  )
  expectTypeOf(pool.use(({ broken }) => broken)).toEqualTypeOf<Promise<boolean>>()
  expectTypeOf(pool.use((client) => client.query(''))).toEqualTypeOf<Promise<number>>()
  expectTypeOf(pool.use(async () => 'now')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(pool.use(() => undefined)).toEqualTypeOf<Promise<undefined>>()
  /** A thenable, like those of query builders. */
  type Query = PromiseLike<string[]> & { where(condition: string): Query }
  expectTypeOf(pool.use((): Query => null as unknown as Query)).toEqualTypeOf<Promise<string[]>>()
})

test('a lease knows its resource', async () => {
  const pool = createForkSafePool(
    { name: 'lease', create: async () => new Client(), ...ending } as const,
    {},
  )
  const lease = await pool.acquire()
  expectTypeOf(lease.resource).toEqualTypeOf<Client>()
  // @ts-expect-error The holder cannot change it.
  lease.resource = new Client()
})

test('an error in a driver is reported at the wrong hook', () => {
  const create = async () => new Client()
  // @ts-expect-error `discard` is missing.
  expectTypeOf(defineDriver({ name: 'half', create, destroy: () => undefined }))
  // @ts-expect-error A resource is an object.
  expectTypeOf(defineDriver({ name: 'number', ...ending, create: async () => 5 }))
  // @ts-expect-error There is no such kind of failure.
  expectTypeOf(defineDriver({ name: 'word', create, ...ending, classify: () => 'hopeless' }))
})
