import type { Budget, Member, Permit, Seat } from '../api/budget.ts'
import { type Linked, LinkedList } from '../tools/list.ts'
import { onAbort } from '../tools/signals.ts'
import { checkOptions, wholeFrom } from '../tools/rules.ts'

/** After this time, a member may take idle resources of members that hold less, and without a permit, also the last busy one. */
const TURN_MILLIS = 100

/** The options of `sharedBudget`. */
export interface SharedBudgetOptions {
  /** The maximum number of resources of all pools together. A whole number of at least 1. */
  readonly limit: number
}

/**
 * Returns one limit for all pools of this process that receive it as their `budget` option. Pools that lack resources are served in
 * turn. A pool with more gives up an idle resource for them, and one with at least two more ends the next one that is released. After
 * a tenth of a second, any idle resource is given up, and a pool that holds nothing takes turns with busy ones. No pool gives up its
 * `min`.
 * @throws {TypeError} for a wrong or unknown option.
 */
export function sharedBudget(options: SharedBudgetOptions): Budget {
  checkOptions('`sharedBudget`', { limit: wholeFrom(1) }, options)
  if (options.limit === undefined) {
    throw new TypeError(
      '`sharedBudget`: expected `limit` to be a whole number of at least 1, got undefined.',
    )
  }
  return new SharedBudget(options.limit)
}

class SharedBudget implements Budget {
  readonly limit: number
  /** The granted permits. */
  granted = 0
  /** The seats that hold permits: at most `limit`, however many members there are. */
  readonly holders = new Set<SharedSeat>()
  readonly requests = new LinkedList<Request>()
  #asking = false
  #turn: NodeJS.Timeout | undefined

  constructor(limit: number) {
    this.limit = limit
  }

  join(member: Member): Seat {
    return new SharedSeat(this, member)
  }

  serve(): void {
    while (this.granted < this.limit) {
      const request = this.requests.first
      if (request === undefined) return
      this.requests.remove(request)
      request.grant()
    }
    this.expectAsk()
  }

  /** Asks other members later, because that calls their drivers. */
  expectAsk(): void {
    if (this.#asking || this.requests.length === 0) return
    this.#asking = true
    queueMicrotask(() => {
      this.#asking = false
      this.#ask()
      if (this.requests.length > 0) this.#expectTurn()
    })
  }

  /** For each request that nobody has promised a permit yet: asks the member that holds most first. */
  #ask(): void {
    // Who gives nothing to a member gives nothing to one that holds more.
    let inVain = Infinity
    for (let request = this.requests.first; request; request = request.next) {
      const { seat, theirs, takesIdle } = request
      if (request.promised || (theirs >= inVain && !takesIdle) || !request.isWaiting) continue
      const others = [...this.holders].filter((holder) => holder !== seat)
      others.sort((a, b) => b.granted - a.granted)
      request.promised = others.some(({ member }) =>
        member.give(takesIdle && (member.idle ?? 0) > 0 ? -1 : theirs),
      )
      if (!request.promised) inVain = Math.min(inVain, theirs)
    }
  }

  /** A member has an idle resource, and others may lack one. */
  spare(seat: SharedSeat): void {
    if (this.requests.length === 0) return
    queueMicrotask(() => {
      let inVain = Infinity
      for (let request = this.requests.first; request; request = request.next) {
        const { theirs } = request
        if (theirs >= inVain || request.seat === seat || !request.isWaiting) continue
        if (!seat.holdsAny || seat.member.give(theirs)) return
        inVain = theirs
      }
    })
  }

  #expectTurn(): void {
    if (this.#turn !== undefined) return
    this.#turn = setTimeout(() => {
      this.#turn = undefined
      for (let request = this.requests.first; request; request = request.next) {
        request.isLate = true
        request.promised = false
      }
      this.expectAsk()
    }, TURN_MILLIS).unref()
  }
}

class SharedSeat implements Seat {
  readonly member: Member
  granted = 0
  readonly #budget: SharedBudget
  #abandoned = false

  constructor(budget: SharedBudget, member: Member) {
    this.#budget = budget
    this.member = member
  }

  get holdsAny(): boolean {
    return this.#budget.holders.has(this)
  }

  request(signal: AbortSignal): Promise<Permit> {
    const budget = this.#budget
    return new Promise((resolve) => {
      const request = new Request(this, () => {
        stop()
        resolve(this.#grant())
      })
      const stop = onAbort(signal, () => budget.requests.remove(request))
      budget.requests.push(request)
      budget.serve()
    })
  }

  #grant(): Permit {
    const budget = this.#budget
    budget.granted++
    this.granted++
    budget.holders.add(this)
    return {
      release: () => {
        if (this.#abandoned) return
        this.#return(1)
        budget.serve()
      },
    }
  }

  #return(permits: number): void {
    this.#budget.granted -= permits
    this.granted -= permits
    if (this.granted === 0) this.#budget.holders.delete(this)
  }

  spare(): void {
    this.#budget.spare(this)
  }

  holders(): string[] {
    return [...this.#budget.holders].map(
      ({ member, granted }) => `"${member.name ?? ''}" (${granted})`,
    )
  }

  leave(): void {
    this.abandon()
    this.#budget.serve()
  }

  /** Serves nobody: after a fork, the other seats are abandoned too. */
  abandon(): void {
    if (this.#abandoned) return
    this.#abandoned = true
    this.#return(this.granted)
  }
}

class Request implements Linked<Request> {
  previous: Request | undefined = undefined
  next: Request | undefined = undefined
  readonly seat: SharedSeat
  readonly #granted: () => void
  /** Another member has promised a permit. */
  promised = false
  /** It has waited for long. */
  isLate = false

  constructor(seat: SharedSeat, granted: () => void) {
    this.seat = seat
    this.#granted = granted
  }

  /** The number of permits for `give`. */
  get theirs(): number {
    const { granted } = this.seat
    return this.isLate && granted === 0 ? -1 : granted
  }

  /** Takes an idle resource also of a member that holds less. */
  get takesIdle(): boolean {
    return this.isLate && this.seat.granted > 0
  }

  get isWaiting(): boolean {
    return this.seat.member.waiting > 0
  }

  grant(): void {
    this.#granted()
  }
}
