import type { Budget, Member, Permit, Seat } from '../api/budget.ts'
import type { Context } from '../context/context.ts'
import type { EntryPermit } from '../stock/entry.ts'
import { runApart } from '../tools/uncaught.ts'

/** The longest pause after a refusal. A budget may add a pause of its own. */
const REFUSED_MILLIS = 50

/** The pool, as its permits see it. */
export interface Holder extends Omit<Required<Member>, 'name'> {
  /** A permit may have become available: opens what is wanted. */
  changed(): void
}

/**
 * The permits of one pool. A resource that the pool lacks goes through these states:
 *
 * - wanted: a request for a permit is in flight, or there is a pause after a refusal. Nothing exists yet;
 * - at the door: the resource is being opened, and its permit bound. After a refusal it ends, and is wanted again after the pause;
 * - bound: the resource is idle, lent or shared;
 * - owed: one of the resources that are lent ends when it comes back. `ceiling` is the number that may stay;
 * - ending: the resource is being destroyed. The permit is released once it is gone.
 *
 * There is one request at a time, so that members are served in turn. After a change of process, the pool forgets its permits and
 * joins anew at its next request.
 */
export class Permits<R extends object> {
  /** The budget has neither granted the last request nor bound the last permit. */
  refused = false
  /** The number of resources that may stay open, while the pool owes some. */
  ceiling = Infinity
  readonly #context: Context<R>
  readonly #budget: Budget
  readonly #member: Member
  readonly #holder: Holder
  #seat: Seat | undefined
  #request: AbortController | undefined
  #granted: EntryPermit | undefined
  #pause: NodeJS.Timeout | undefined

  constructor(context: Context<R>, budget: Budget, holder: Holder) {
    this.#context = context
    this.#budget = budget
    this.#holder = holder
    this.#member = {
      name: context.options.name,
      get held() {
        context.checkProcess()
        return holder.held
      },
      get waiting() {
        return holder.waiting
      },
      get idle() {
        return holder.idle
      },
      get min() {
        return holder.min
      },
      give: (theirs) => {
        // The request may have been read from a connection that belongs to another process.
        context.checkProcess()
        return this.#seat !== undefined && holder.give(theirs)
      },
    }
  }

  /** No permit is available, and one was requested. */
  get short(): boolean {
    return this.#request !== undefined || this.#pause !== undefined
  }

  get holders(): readonly string[] {
    return this.#seat?.holders?.() ?? []
  }

  /** Returns a permit for a resource that is opened now, if the budget has granted one. */
  take(): EntryPermit | undefined {
    const permit = this.#granted
    this.#granted = undefined
    return permit
  }

  /** Requests a permit, or withdraws the request. */
  want(wanted: boolean): void {
    if (wanted) {
      if (!this.short) this.#ask()
      return
    }
    this.#request?.abort()
    this.#request = undefined
  }

  /** A resource has become idle. */
  spare(): void {
    const seat = this.#seat
    if (seat?.spare !== undefined) runApart(() => seat.spare?.())
  }

  leave(): void {
    this.take()?.release()
    const seat = this.#forget()
    if (seat !== undefined) runApart(() => seat.leave())
  }

  /** Forgets everything: it belongs to another process. */
  abandon(): void {
    const seat = this.#forget()
    if (seat !== undefined) runApart(() => seat.abandon())
  }

  #forget(): Seat | undefined {
    const seat = this.#seat
    this.#seat = undefined
    this.#granted = undefined
    this.ceiling = Infinity
    this.refused = false
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.want(false)
    return seat
  }

  #ask(): void {
    const request = new AbortController()
    this.#request = request
    this.#context
      .run(async () => {
        this.#seat ??= this.#budget.join(this.#member)
        return { seat: this.#seat, permit: await this.#seat.request(request.signal) }
      })
      .then(
        ({ seat, permit }) => {
          // A copy of the promise in a child must not use the parent's permit.
          this.#context.checkProcess()
          if (seat !== this.#seat) return
          const grant = new Grant(this, permit)
          if (request === this.#request) this.#answered(grant)
          else grant.release()
        },
        (error: unknown) => {
          this.#context.checkProcess()
          if (request === this.#request) this.#answered(new Failed(error))
        },
      )
  }

  #answered(permit: EntryPermit): void {
    this.#request = undefined
    this.#granted = permit
    this.#holder.changed()
    // Nobody wants it any more.
    if (this.#granted === permit) this.take()?.release()
  }

  /** Requests the next permit after a random pause. */
  pause(): void {
    this.refused = true
    this.want(false)
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined
      this.#context.checkProcess()
      this.#holder.changed()
    }, REFUSED_MILLIS * Math.random()).unref()
  }
}

/** A permit of the budget. */
class Grant<R extends object> implements EntryPermit {
  readonly #permits: Permits<R>
  readonly #permit: Permit

  constructor(permits: Permits<R>, permit: Permit) {
    this.#permits = permits
    this.#permit = permit
  }

  async bind(resource: object, signal: AbortSignal): Promise<boolean> {
    const bound = (await this.#permit.bind?.(resource, signal)) ?? true
    if (signal.aborted) return bound
    if (bound) this.#permits.refused = false
    else this.#permits.pause()
    return bound
  }

  release(): void {
    runApart(() => this.#permit.release())
  }
}

/** Fails the create for which the budget could not be asked. */
class Failed implements EntryPermit {
  readonly #error: unknown

  constructor(error: unknown) {
    this.#error = error
  }

  check(): void {
    throw this.#error
  }

  release(): void {
    // There is nothing to return.
  }
}
