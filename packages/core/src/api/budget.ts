/**
 * One limit for many pools: of one process, of many processes, or of many machines. A pool with a budget opens a resource only with a
 * permit, lends it only once the permit is bound, and returns the permit only once the resource is gone.
 */
export interface Budget {
  /**
   * Adds a pool. Called when the pool needs its first permit, and again after a change of process, which owns no permit. Must not
   * write to a server.
   */
  join(member: Member): Seat
}

/** A pool, as its budget sees it. */
export interface Member {
  /** The pool's `name` option. */
  readonly name?: string | undefined
  /**
   * The number of resources with a bound permit that the pool does not owe to others. Reading it also checks for a change of process:
   * after one, `abandon` has been called when it returns.
   */
  readonly held: number
  /** The number of resources that the pool lacks: for waiting callers, and for `min`. */
  readonly waiting: number
  /** The number of idle resources. */
  readonly idle?: number | undefined
  /** The pool's `min` option. It never gives these away. */
  readonly min: number
  /**
   * Asks the pool for one permit, on behalf of a member that holds `theirs`. If the pool has an idle resource beyond `min` and holds more,
   * that ends now. Otherwise, if the pool holds at least two more, the next one that is released ends. Returns whether either applies. For
   * a member that holds nothing and has waited for long, a budget passes -1: then a pool with one resource owes it too.
   */
  give(theirs: number): boolean
}

/** The place of a pool in its budget. */
export interface Seat {
  /**
   * Resolves with a permit once the pool may open a resource. Rejects if the budget fails: this counts as a failed create. If `signal`
   * aborts, the pool has no more need: the promise may stay pending, and a permit that it resolves with nevertheless is released.
   */
  request(signal: AbortSignal): Promise<Permit>
  /** Gives up the place. Called when the pool has closed. All permits are released by then. */
  leave(): void
  /**
   * Forgets the place and its permits in a process that owns neither. Must be synchronous, must not write to a server, and must not throw.
   */
  abandon(): void
  /** Called when a resource has become idle. Must be fast. */
  spare?(): void
  /** Describes who holds the permits, as far as it is known, for error messages. */
  holders?(): readonly string[]
}

/** The permission to open one resource. */
export interface Permit {
  /**
   * Ties the permit to the resource that was opened with it. Resolves with `false` if there is no permit after all: the pool ends the
   * resource, and requests another permit after a random pause. A rejection counts as a failed create. When `signal` aborts, the
   * resource is about to end. Default: nothing to do.
   */
  bind?(resource: object, signal: AbortSignal): Promise<boolean>
  /** Returns the permit. Called once, when the resource is gone, or was not opened. */
  release(): void
}

/**
 * A budget cannot work with the way in which its pool is connected. The pool treats it as a `fatal` failure of a create.
 */
export class BudgetError extends Error {
  readonly code = 'FORKSAFE_BUDGET'
}
BudgetError.prototype.name = 'BudgetError'
