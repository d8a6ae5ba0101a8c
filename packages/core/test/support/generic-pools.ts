import genericPool, { type Factory, type Options, type Pool } from 'generic-pool'
import ours from '../../src/generic-pool/index.ts'

/** A resource of the factory below. */
export interface Thing {
  readonly id: number
  destroys: number
}

/** What generic-pool exports that its users touch, and its types do not tell of the classes. */
export interface Library {
  readonly createPool: <T>(factory: Factory<T>, options?: AllOptions) => AnyPool<T>
  readonly DefaultEvictor: new () => { evict(...given: unknown[]): boolean }
  readonly Pool: new (...given: unknown[]) => AnyPool<Thing>
  /** Only generic-pool has these two. */
  readonly Deque?: unknown
  readonly PriorityQueue?: unknown
}

/** With what generic-pool has, and its types do not tell. */
export type AllOptions = Options & {
  destroyTimeoutMillis?: number
  Promise?: PromiseConstructorLike
}
export type AnyPool<T> = Pool<T> & {
  use<U>(work: (resource: T) => U | Promise<U>, priority?: number): Promise<U>
}

/** generic-pool, and what stands in for it: what is true of the one is true of the other. */
export const theirs = genericPool as unknown as Library
export const own = ours as unknown as Library
export const libraries = [
  ['generic-pool', theirs],
  ['@forksafe/core/generic-pool', own],
] as const

/** Makes things, each with the next number, and keeps a list of them; a test replaces what is to go wrong. */
export class ThingFactory implements Factory<Thing> {
  readonly things: Thing[] = []
  creates = 0

  create(): Promise<Thing> {
    this.creates++
    return Promise.resolve(this.make())
  }

  async destroy(thing: Thing): Promise<void> {
    thing.destroys++
  }

  make(): Thing {
    const thing = { id: this.things.length + 1, destroys: 0 }
    this.things.push(thing)
    return thing
  }

  get destroyed(): number[] {
    return this.things.filter(({ destroys }) => destroys > 0).map(({ id }) => id)
  }
}

/** A pool's numbers, all but `max` and `min`. */
export function numbersOf(pool: AnyPool<never> | AnyPool<Thing>): Record<string, number> {
  const { size, available, borrowed, pending, spareResourceCapacity: spare } = pool
  return { size, available, borrowed, pending, spare }
}

export function sleep(millis: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, millis)
  })
}
