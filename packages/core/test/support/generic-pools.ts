import genericPool, { type Factory, type Options, type Pool } from 'generic-pool'
import ours from '../../src/generic-pool/index.ts'

/** A resource of the factory below. */
export interface Thing {
  readonly id: number
  destroys: number
}

/** The exports of generic-pool, including the classes that its types omit. */
export interface Library {
  readonly createPool: <T>(factory: Factory<T>, options?: AllOptions) => AnyPool<T>
  readonly DefaultEvictor: new () => { evict(...given: unknown[]): boolean }
  readonly Pool: new (...given: unknown[]) => AnyPool<Thing>
  /** Exported by generic-pool only. */
  readonly Deque?: unknown
  readonly PriorityQueue?: unknown
}

/** A pool with the members that generic-pool's types omit. */
export type AllOptions = Options & {
  destroyTimeoutMillis?: number
  Promise?: PromiseConstructorLike
}
export type AnyPool<T> = Pool<T> & {
  use<U>(work: (resource: T) => U | Promise<U>, priority?: number): Promise<U>
}

/** generic-pool and its drop-in replacement, which must behave in the same way. */
export const theirs = genericPool as unknown as Library
export const own = ours as unknown as Library
export const libraries = [
  ['generic-pool', theirs],
  ['@forksafe/core/generic-pool', own],
] as const

/** A factory of numbered things, which it lists. Tests replace the functions that must fail. */
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

/** Returns the numbers of a pool, except `max` and `min`. */
export function numbersOf(pool: AnyPool<never> | AnyPool<Thing>): Record<string, number> {
  const { size, available, borrowed, pending, spareResourceCapacity: spare } = pool
  return { size, available, borrowed, pending, spare }
}

export function sleep(millis: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, millis)
  })
}
