/** The resource that a pool lends here, which only counts its uses. */
export interface Resource {
  uses: number
}

/** The operations of a pool. Each must cost no more than a call. */
export interface Verbs<H> {
  readonly acquire: () => H | Promise<H>
  readonly release: (held: H) => void
  readonly resourceOf: (held: H) => Resource
  readonly use: (work: (resource: Resource) => Promise<void>) => Promise<unknown>
  readonly idle: () => number
  readonly borrowed: () => number
}

/** An implementation of a pool, with all defaults except `max`. */
export interface Peer<R extends Resource = Resource, P extends object = object, H = unknown> {
  newResource(): R
  /** Returns a function that creates pools, which share the function that creates their resources. */
  factory(create: () => R): (max: number) => P
  verbs(pool: P): Verbs<H>
}

/** Implements `use` for a pool that has none, as its users would write it. */
export function useOf<H>({
  acquire,
  release,
  resourceOf,
}: Pick<Verbs<H>, 'acquire' | 'release' | 'resourceOf'>): Verbs<H>['use'] {
  return async (work) => {
    const held = await acquire()
    try {
      return await work(resourceOf(held))
    } finally {
      release(held)
    }
  }
}
