import type { ForkSafePool } from './surface.ts'

/**
 * What a failed create means for those who wait: `transient`, worth another try; `fatal`, no try will help (a wrong
 * password, no such database); `full`, the server has no room for more, and the pool lives with what it holds; `single`,
 * whoever has waited longest is told, and the next one gets a try of its own at once.
 */
export type CreateFailure = 'transient' | 'fatal' | 'full' | 'single'

/**
 * All that the pool knows of a kind of resource `R`, opened from a `C`, with verbs `M` that it adds to the pool.
 *
 * Two verbs are never mixed up. `destroy` closes politely and may talk to the server. `discard` lets go of a resource
 * that another process goes on using: unlike `destroy`, it will not communicate with the server.
 */
export interface Driver<R extends object, C = void, M extends object = object> {
  /** The name of a pool that has no `name` option. */
  readonly name: string
  /**
   * Opens a resource. When `signal` aborts, lets go of what it had begun as `discard` does, for the process may not be
   * the one that began; what it returns after that is thrown away.
   */
  create(connection: C, context: { readonly signal: AbortSignal }): Promise<R>
  /** Whether an idle resource still works. `false` and a rejection both end it, and another takes its place. */
  validate?(resource: R): boolean | Promise<boolean>
  /** Takes away what the last holder left behind. Runs at release, before anyone else gets the resource. */
  reset?(resource: R): void | Promise<void>
  /** Closes politely. Once it settles, nothing of the resource may be left open. */
  destroy(resource: R): void | Promise<void>
  /** Lets go of the process's copy: no byte, no FIN, no TLS alert; synchronous, never throws, harmless when repeated. */
  discard(resource: R): void
  /** Calls `lost` once the resource has died by itself, lent or idle. */
  watch?(resource: R, lost: (error: Error) => void): void
  /** A lent resource holds the process open. */
  ref?(resource: R): void
  /** An idle one does not, where the pool's `allowExitOnIdle` says so. */
  unref?(resource: R): void
  /** What a rejected `create` means. Without it, or where it throws, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
  /** Verbs that the pool gets, made of `acquire` and `use`. Called once for a pool. */
  methods?(pool: ForkSafePool<R>): M
}

/**
 * Returns the driver as it is: in TypeScript, it infers `R`, `C` and `M` from it. That takes a `create` that says what its
 * connection is, and comes before the hooks that are given its resource.
 */
export function defineDriver<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
): Driver<R, C, M> {
  return driver
}
