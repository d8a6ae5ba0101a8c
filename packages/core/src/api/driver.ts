import type { ForkSafePool } from './pool.ts'

/**
 * What a failed create means for those who wait:
 *
 * - `transient`: another attempt may succeed;
 * - `fatal`: no attempt will, as with a wrong password or a database that does not exist. All who wait are told;
 * - `full`: the server has no room for more, and the pool makes do with what it has;
 * - `single`: the caller that has waited longest is told, and the next one gets an attempt of its own at once.
 */
export type CreateFailure = 'transient' | 'fatal' | 'full' | 'single'

/** What `reset` is given beside the resource. */
export interface ResetContext {
  /**
   * Looks for a change of process.
   * @throws {StaleResourceError} where there was one: another process goes on using the resource.
   */
  checkProcess(): void
}

/**
 * All that the pool knows of a kind of resource `R`, opened from a connection `C`, with methods `M` that it adds to the pool.
 *
 * Two verbs are never mixed up. `destroy` closes politely, and may talk to the server. `discard` lets go of a resource that
 * another process goes on using. It is named after that of Rails, which, unlike `disconnect!`, "will not communicate with
 * the server".
 */
export interface Driver<R extends object, C = void, M extends object = object> {
  /** The name of a pool that has no `name` option. At least one character. */
  readonly name: string
  /**
   * Opens a resource. May take `createTimeoutMillis`. If it rejects, `classify` says what that means.
   *
   * When `signal` aborts, the process may no longer be the one that began: the driver lets go of what it has opened so far as
   * `discard` does. What it returns after that is destroyed, or discarded if the process has changed.
   */
  create(connection: C, context: { readonly signal: AbortSignal }): Promise<R>
  /**
   * Whether an idle resource still works. May take `validateTimeoutMillis`. If it says `false` or rejects, the resource is
   * destroyed; if it takes longer, it is discarded, without a goodbye. Another takes its place.
   */
  validate?(resource: R): boolean | Promise<boolean>
  /**
   * Whether an idle resource may be lent, as far as is known without asking anyone: if its connection is being closed, it may not. If
   * this returns `false`, the resource is destroyed and the next one is tried. Called at every acquire of an idle resource, in the
   * caller's async context, so it must be synchronous and fast. If it throws, the resource is destroyed, too.
   */
  isUsable?(resource: R): boolean
  /**
   * Removes what the last holder left behind. Runs at release, before anyone else gets the resource. May take
   * `validateTimeoutMillis`. If it rejects, the resource is destroyed; if it takes longer, it is discarded, without a goodbye.
   * One that writes more than once calls `context.checkProcess()` before each write but the first: the process may have
   * forked since.
   */
  reset?(resource: R, context?: ResetContext): void | Promise<void>
  /**
   * Closes politely. Once it settles, nothing of the resource may be left open. May take `destroyTimeoutMillis`. If it rejects
   * or takes longer, `discard` follows.
   */
  destroy(resource: R): void | Promise<void>
  /**
   * Lets go of this process's copy of the resource: no byte, no FIN, no TLS alert. Must be synchronous, must not throw, and
   * must be harmless when repeated.
   */
  discard(resource: R): void
  /**
   * Called once for each resource, as soon as it is open. The driver calls `lost` when the resource dies by itself, lent or
   * idle. A second call of `lost` does nothing.
   */
  watch?(resource: R, lost: (error: Error) => void): void
  /** Called when the resource is lent: it should keep the process alive. */
  ref?(resource: R): void
  /** Called when the resource becomes idle, if `allowExitOnIdle` is set: it should no longer keep the process alive. */
  unref?(resource: R): void
  /** What a rejected `create` means. Without this hook, or if it throws, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
  /**
   * Returns the methods that the pool gets, built from `acquire` and `use`, in a plain object. Called once for each pool. A name
   * that the pool already has, and the name `then`, make `createForkSafePool` throw a `TypeError`.
   */
  methods?(pool: ForkSafePool<R>): M
}

/**
 * Returns `driver` unchanged. In TypeScript, it infers `R`, `C` and `M` from it, if `create` declares the type of its
 * connection and comes before the hooks that receive its resource.
 */
export function defineDriver<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
): Driver<R, C, M> {
  return driver
}
