import type { Budget } from './budget.ts'
import type { ForkSafePool } from './pool.ts'

/**
 * The consequence of a failed create for the waiting callers:
 *
 * - `transient`: another attempt may succeed, so the callers keep waiting;
 * - `fatal`: no attempt will succeed, as with a wrong password or a missing database. All waiting callers are rejected;
 * - `full`: the server accepts no more connections. The pool continues with the resources that it has;
 * - `single`: the caller that has waited longest is rejected. The next one immediately gets an attempt of its own.
 */
export type CreateFailure = 'transient' | 'fatal' | 'full' | 'single'

/** The name of a hook whose failure the event `hookError` reports. */
export type HookName =
  | Exclude<keyof Driver<object>, 'name' | 'checkConnection' | 'create' | 'share' | 'methods'>
  | `share.${Exclude<keyof ShareHooks<object>, 'maxInFlight'>}`

/** The second argument of `reset`. */
export interface ResetContext {
  /**
   * Checks whether the process has changed.
   * @throws {StaleResourceError} if it has: another process still uses the resource.
   */
  checkProcess(): void
}

/**
 * Lets many callers use one resource at once, for protocols that pipeline or multiplex requests. `begin`, `end` and `full` are called
 * often, in the async context of any caller: they must be synchronous and fast, and must not write to the server. If one of them or
 * `flush` throws, the resource ends, and its requests are rejected with that error.
 */
export interface ShareHooks<R extends object> {
  /** The default of the pool's `maxInFlight` option. A whole number of at least 1, or `Infinity`. Default 1: off. */
  readonly maxInFlight?: number | undefined
  /**
   * Tells whether this resource can be shared. Called once for each resource, before its first request. If it returns `false` or throws,
   * the resource serves one request at a time, as without sharing. Default `true`.
   */
  accepts?(resource: R): boolean
  /** Prepares the resource for requests of many callers. Called when nothing is in flight. */
  begin(resource: R): void
  /**
   * Undoes `begin`. Called once all requests are answered, before the resource becomes idle, is lent to one holder, or is destroyed. Not
   * called if the resource ends while requests are in flight.
   */
  end(resource: R): void
  /** Tells whether the resource takes no more requests now, because it cannot send them. Called only while requests are in flight. */
  full?(resource: R): boolean
  /**
   * Sends what the requests of this tick have written. Called at the end of each tick in which requests were sent, after a check for a
   * change of process. After a change, the pool calls `discard` instead, which must drop what is not sent yet.
   */
  flush?(resource: R): void
}

/**
 * Tells a pool how to open, check and close resources of type `R`. `C` is the type of the `connection` option. `M` contains the
 * methods that the driver adds to the pool.
 *
 * `destroy` closes a resource politely and may talk to the server. `discard` drops a resource that another process still uses.
 * It follows `discard!` of Rails, which, unlike `disconnect!`, "will not communicate with the server".
 */
export interface Driver<R extends object, C = void, M extends object = object> {
  /** The default of a pool's `name` option. At least one character. */
  readonly name: string
  /**
   * Checks the `connection` option when the pool is created, or what the function in its place returns, before each create. Throws a
   * `TypeError` that names what is wrong, and shows no value: it may be a password.
   */
  checkConnection?(connection: C): void
  /**
   * Checks the pool's `budget` option when the pool is created. Throws a `TypeError` if the driver, as it is configured, would make that
   * budget fail.
   */
  checkBudget?(budget: Budget): void
  /**
   * Opens a resource. May take `createTimeoutMillis`. If it rejects, the pool calls `classify`.
   *
   * When `signal` aborts, the process may have changed. The driver must then discard whatever it has opened so far, without
   * writing to the server. A resource that it returns later is destroyed, or discarded if the process has changed.
   */
  create(connection: C, context: { readonly signal: AbortSignal }): Promise<R>
  /**
   * Checks whether an idle resource still works. May take `validateTimeoutMillis`. If it returns `false` or rejects, the resource
   * is destroyed. If it takes longer, the resource is discarded. In both cases, another one replaces it.
   */
  validate?(resource: R): boolean | Promise<boolean>
  /**
   * Tells whether an idle resource may be lent, by what the client already knows: not if its connection is being closed. If it
   * returns `false` or throws, the resource is destroyed, and the next one is tried. Called at every acquire of an idle resource,
   * in the caller's async context, so it must be synchronous and fast.
   */
  isUsable?(resource: R): boolean
  /**
   * Removes the state that the last holder left behind. Runs at release, before anyone else gets the resource. May take
   * `validateTimeoutMillis`. If it rejects, the resource is destroyed. If it takes longer, the resource is discarded.
   * A `reset` that writes more than once must call `context?.checkProcess()` before each write except the first, because the
   * process may have forked in between. A pool always passes a context.
   */
  reset?(resource: R, context?: ResetContext): void | Promise<void>
  /**
   * Closes the resource politely. When it settles, everything that the resource held must be closed. May take
   * `destroyTimeoutMillis`. If it rejects or takes longer, the pool calls `discard`.
   */
  destroy(resource: R): void | Promise<void>
  /**
   * Drops this process's copy of the resource silently: no byte, no FIN, no TLS alert. Must be synchronous, must not throw, and
   * must be harmless when repeated.
   */
  discard(resource: R): void
  /**
   * Watches a resource. Called once for each resource, as soon as it is open.
   *
   * The driver calls `lost` when the resource dies by itself, whether it is borrowed or idle. It calls `retire` when the resource
   * still works but must not be lent again, as when a server announces its shutdown: an idle resource is destroyed at once, a
   * borrowed one when its holder returns it. A second call of either, or one after the end of the resource, does nothing.
   */
  watch?(resource: R, lost: (error: Error) => void, retire: () => void): void
  /** Lets many callers use one resource at once. Without it, `pool.share` gives each resource to one caller at a time. */
  readonly share?: ShareHooks<R> | undefined
  /** Makes the resource keep the process alive. Called when it is lent or shared. */
  ref?(resource: R): void
  /** Stops the resource from keeping the process alive. Called when it becomes idle, if `allowExitOnIdle` is set. */
  unref?(resource: R): void
  /** Classifies the error of a rejected `create`. Without this hook, or if it throws, every failure is `transient`. */
  classify?(error: unknown): CreateFailure
  /**
   * Returns a plain object with the methods to add to the pool, built from `acquire` and `use`. Called once for each pool. For a
   * name that the pool already has, or the name `then`, `createForkSafePool` throws a `TypeError`.
   */
  methods?(pool: ForkSafePool<R>): M
}

/**
 * Returns `driver` unchanged. TypeScript infers `R`, `C` and `M` from it if `create` declares the type of its connection and
 * comes before the hooks that receive a resource.
 */
export function defineDriver<R extends object, C, M extends object>(
  driver: Driver<R, C, M>,
): Driver<R, C, M> {
  return driver
}
