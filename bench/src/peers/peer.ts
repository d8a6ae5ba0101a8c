/** What a pool lends here: nothing but a count of its uses. */
export interface Resource {
  uses: number
}

/** The verbs of a pool, of whichever make. Each must cost no more than a call. */
export interface Verbs<H> {
  readonly acquire: () => H | Promise<H>
  readonly release: (held: H) => void
  readonly resourceOf: (held: H) => Resource
  readonly use: (work: (resource: Resource) => Promise<void>) => Promise<unknown>
  readonly idle: () => number
  readonly borrowed: () => number
}

/** A make of pool. Everything about it is as its author ships it, but that `max` is said. */
export interface Peer<R extends Resource = Resource, P extends object = object, H = unknown> {
  newResource(): R
  /** A maker of pools, which share the functions that make their resources. */
  factory(create: () => R): (max: number) => P
  verbs(pool: P): Verbs<H>
}

/** `use` for a pool that has none, as its users write it. */
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
