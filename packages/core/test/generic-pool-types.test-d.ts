import type { EventEmitter } from 'node:events'
import type * as theirs from 'generic-pool'
import { expectTypeOf, test } from 'vitest'
import genericPool, {
  createPool,
  DefaultEvictor,
  type Factory,
  type Options,
  Pool,
  type PooledResource,
} from '../src/generic-pool/index.ts'

interface Client {
  query(text: string): Promise<number>
}

// A program that was written for generic-pool's types, with only the import changed.
class Clients implements Factory<Client> {
  async create(): Promise<Client> {
    return { query: async () => 1 }
  }
  async destroy(client: Client): Promise<void> {
    await client.query('goodbye')
  }
  async validate(client: Client): Promise<boolean> {
    return (await client.query('select 1')) === 1
  }
}
const options: Options = { max: 10 }
options.min = 2
options.testOnBorrow = true
const factory: Factory<Client> = new Clients()
const pool: Pool<Client> = createPool(factory, options)

test('the resource is inferred from the factory', () => {
  expectTypeOf(createPool(new Clients())).toEqualTypeOf<Pool<Client>>()
  expectTypeOf(genericPool.createPool({ create: async () => 1, destroy: async () => undefined }))
    // Anything may be a resource.
    .toEqualTypeOf<Pool<number>>()
})

test('the methods and properties are those of generic-pool', () => {
  expectTypeOf(pool.acquire()).toEqualTypeOf<Promise<Client>>()
  expectTypeOf(pool.acquire(1)).toEqualTypeOf<Promise<Client>>()
  expectTypeOf<Parameters<Pool<Client>['release']>>().toEqualTypeOf<[Client]>()
  expectTypeOf<Parameters<Pool<Client>['destroy']>>().toEqualTypeOf<[Client]>()
  expectTypeOf(pool.use((client) => client.query('select 1'))).toEqualTypeOf<Promise<number>>()
  expectTypeOf(pool.use(() => 'now', 1)).toEqualTypeOf<Promise<string>>()
  expectTypeOf<ReturnType<Pool<Client>['isBorrowedResource']>>().toBeBoolean()
  expectTypeOf(pool.drain().then(() => pool.clear())).toEqualTypeOf<Promise<void>>()
  expectTypeOf(pool.ready()).toEqualTypeOf<Promise<void>>()
  expectTypeOf(pool.start()).toBeVoid()
  type Count =
    'spareResourceCapacity' | 'size' | 'available' | 'borrowed' | 'pending' | 'max' | 'min'
  expectTypeOf(pool).pick<Count>().toEqualTypeOf<{ readonly [K in Count]: number }>()
  expectTypeOf(pool).toExtend<EventEmitter>()
  pool.on('factoryCreateError', (error: Error) => error.message)
})

test('the pool is assignable to generic-pool’s type', () => {
  expectTypeOf<Pool<Client>>().toExtend<theirs.Pool<Client>>()
  expectTypeOf(createPool).toExtend<typeof theirs.createPool>()
  expectTypeOf<theirs.Factory<Client>>().toExtend<Factory<Client>>()
  expectTypeOf<theirs.Options>().toExtend<Options>()
  expectTypeOf<Required<theirs.Options>>().toExtend<Options>()
})

test('members of generic-pool that its types omit are typed', () => {
  createPool(factory, { destroyTimeoutMillis: 5, Promise })
  class Mine extends DefaultEvictor {
    override evict(_: object, pooled: PooledResource<unknown>, available: number): boolean {
      expectTypeOf(pooled.lastIdleTime).toBeNumber()
      return available > 3
    }
  }
  expectTypeOf(new Pool(Mine, undefined, undefined, factory, { max: 3 })).toEqualTypeOf(pool)
})

test('additional hooks and options are typed', () => {
  createPool(
    {
      ...factory,
      create: async ({ signal } = { signal: new AbortController().signal }) => {
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        return new Clients().create()
      },
      discard: (client) => expectTypeOf(client).toEqualTypeOf<Client>(),
      reset: (client) => void client.query('rollback'),
      watch: (_client, lost) => lost(new Error('gone')),
      classify: () => 'fatal',
    },
    { name: 'clients', maxLifetimeMillis: 1_000, createTimeoutMillis: 1_000 },
  )
})

test('options are checked by name and type', () => {
  // @ts-expect-error There is no such option.
  expectTypeOf(createPool(factory, { maximum: 3 })).toBeObject()
  // @ts-expect-error It must be a number.
  expectTypeOf(createPool(factory, { max: '3' })).toBeObject()
})
