import { BudgetError, type Member, onAbort, type Permit, type Seat } from '@forksafe/core'
import { randomInt } from 'node:crypto'
import type { Client } from 'pg'
import { internalsOf } from '../internals.ts'
import { Ear } from './ear.ts'
import type { ParsedBudgetOptions } from './pg-budget.ts'
import { ASK, EVICT, HOLDERS, TAKE, waitFor } from './statements.ts'

/** A slot may be awaited for so long before another one is tried: the holder may end another session than the one expected. */
const SLICE_MILLIS = 50
/** A member without a permit waits so long for others before it may take the last one of a busy member. */
const TURN_MILLIS = 1_000

interface Victim {
  readonly slot: number
  readonly pid: number
  readonly member: number
  /** When it was asked, by the server's clock. */
  readonly asked: string
}

/** A member of a budget: takes a lock for each connection, and asks other members for theirs. */
export class PgSeat implements Seat {
  readonly #options: ParsedBudgetOptions
  readonly #member: Member
  /** A random number, because a pid names a process of one machine only, and a forked child is a member of its own. */
  readonly #id = randomInt(1, 2 ** 31 - 1)
  readonly #ear: Ear
  readonly #requests: (() => void)[] = []
  #atDoor = 0
  #pause: NodeJS.Timeout | undefined
  #abandoned = false
  /** Since when the member has wanted its first permit, by the monotonic clock. */
  #emptySince: number | undefined
  /** Members that have not responded, and when they were first asked. */
  readonly #silent = new Map<number, string>()
  #holders: readonly string[] = []

  constructor(options: ParsedBudgetOptions, member: Member) {
    this.#options = options
    this.#member = member
    const { slots } = options.classes
    this.#ear = new Ear(`${channelPrefix(slots)}${this.#id}`, {
      isOwn: () => this.#isOwn,
      heard: (theirs) => this.#member.give(theirs),
    })
  }

  /** Whether the process has not changed since the member joined. */
  get #isOwn(): boolean {
    return this.#member.held >= 0 && !this.#abandoned
  }

  request(signal: AbortSignal): Promise<Permit> {
    return new Promise((resolve) => {
      const grant = (): void => {
        stop()
        resolve(this.#newPermit())
      }
      const stop = onAbort(signal, () => {
        const place = this.#requests.indexOf(grant)
        if (place >= 0) this.#requests.splice(place, 1)
      })
      this.#requests.push(grant)
      this.#serve()
    })
  }

  #serve(): void {
    while (this.#atDoor < this.#options.doors && this.#pause === undefined) {
      const grant = this.#requests.shift()
      if (grant === undefined) return
      this.#atDoor++
      grant()
    }
  }

  #newPermit(): Permit {
    let isAtDoor = true
    let client: Client | undefined
    const leaveDoor = (): void => {
      if (isAtDoor) this.#atDoor--
      isAtDoor = false
      this.#serve()
    }
    return {
      bind: async (resource, signal) => {
        client = clientOf(resource)
        const bound = await this.#bind(client, signal)
        if (bound) leaveDoor()
        else this.#rest()
        return bound
      },
      release: () => {
        if (client !== undefined) this.#ear.leave(client)
        leaveDoor()
      },
    }
  }

  /** Pauses for a random time around `retryMillis`. */
  #rest(): void {
    this.#pause ??= setTimeout(
      () => {
        this.#pause = undefined
        if (this.#isOwn) this.#serve()
      },
      this.#options.retryMillis * (0.5 + Math.random()),
    ).unref()
  }

  async #bind(client: Client, signal: AbortSignal): Promise<boolean> {
    const bound = (await this.#take(client, signal)) || (await this.#wait(client, signal))
    if (bound) {
      this.#emptySince = undefined
      this.#ear.enter(client)
    } else {
      this.#emptySince ??= performance.now()
      const { rows } = await this.#query<{ name: string; count: number }>(client, signal, HOLDERS)
      this.#holders = rows.map(({ name, count }) => `"${name}" (${count})`)
    }
    return bound
  }

  async #take(client: Client, signal: AbortSignal): Promise<boolean> {
    const { limit, sessionPooler } = this.#options
    const pid = internalsOf(client).processID
    const expected = sessionPooler ? null : pid
    const { rows } = await this.#query<{ pid: number; slot: number | null }>(client, signal, TAKE, [
      limit,
      randomInt(limit),
      this.#id,
      expected,
    ])
    if (!sessionPooler && rows[0]?.pid !== pid) {
      throw new BudgetError(
        'A `pgBudget` needs a session of its own for each connection, but a pooler such as PgBouncer stands between: the server ' +
          'shows another process id than the connection. Connect directly. Or, if the pooler is in session mode, set `sessionPooler: true`.',
      )
    }
    return rows[0]?.slot !== null
  }

  /** Asks other members, one after the other, and waits for their slots. */
  async #wait(client: Client, signal: AbortSignal): Promise<boolean> {
    const { classes, evictIdleMillis, handoverMillis } = this.#options
    const until = performance.now() + handoverMillis
    const asked: number[] = []
    for (;;) {
      const victim = await this.#ask(client, signal, asked)
      if (victim === undefined) return false
      const left = until - performance.now()
      if (left <= 0) return false
      const isFree = async (millis: number): Promise<boolean> =>
        this.#isAnswered(client, signal, waitFor(classes, victim.slot, millis))
      if (await isFree(Math.min(left, SLICE_MILLIS))) return true
      if (await this.#take(client, signal)) return true
      if (evictIdleMillis < Infinity && (await this.#evict(client, signal, victim))) {
        if (await isFree(handoverMillis)) return true
      }
      asked.push(victim.member)
    }
  }

  async #ask(client: Client, signal: AbortSignal, asked: number[]): Promise<Victim | undefined> {
    const { classes, limit } = this.#options
    const { rows } = await this.#query<Victim>(client, signal, ASK, [
      this.#id,
      this.#theirs,
      limit,
      asked,
      channelPrefix(classes.slots),
    ])
    return rows[0]
  }

  /** The number of permits for `give`. */
  get #theirs(): number {
    const { held } = this.#member
    const isStarved =
      this.#emptySince !== undefined && performance.now() - this.#emptySince > TURN_MILLIS
    return held === 0 && isStarved ? -1 : held
  }

  async #evict(client: Client, signal: AbortSignal, victim: Victim): Promise<boolean> {
    const asked = this.#silent.get(victim.member) ?? victim.asked
    this.#silent.set(victim.member, asked)
    const values = [victim.pid, victim.member, asked, this.#options.evictIdleMillis]
    const { rows } = await this.#query<{ responded: boolean; evicted: boolean }>(
      client,
      signal,
      EVICT,
      values,
    )
    if (rows[0]?.responded !== false) this.#silent.delete(victim.member)
    return rows[0]?.evicted === true
  }

  /** Sends a simple query. Returns `false` if its time was up. */
  async #isAnswered(client: Client, signal: AbortSignal, text: string): Promise<boolean> {
    this.#checkOwn(signal)
    try {
      await client.query(text)
      return true
    } catch (error) {
      const { code } = Object(error) as { readonly code?: unknown }
      // lock_not_available, and query_canceled by a timeout of the user's.
      if (code === '55P03' || code === '57014') return false
      throw error
    }
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the type of the rows, as in pg
  async #query<T extends object>(
    client: Client,
    signal: AbortSignal,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<{ rows: T[] }> {
    this.#checkOwn(signal)
    const { members, slots } = this.#options.classes
    return client.query<T>(text, [slots, members, ...values])
  }

  /** Nothing is written to a connection of another process. */
  #checkOwn(signal: AbortSignal): void {
    if (!this.#isOwn) throw new Error('The permit belongs to another process.')
    signal.throwIfAborted()
  }

  holders(): readonly string[] {
    return this.#holders
  }

  leave(): void {
    this.abandon()
  }

  abandon(): void {
    this.#abandoned = true
    clearTimeout(this.#pause)
    this.#requests.length = 0
    this.#ear.abandon()
  }
}

function channelPrefix(slots: number): string {
  return `forksafe_budget_${slots}_`
}

function clientOf(resource: object): Client {
  if ('getTransactionStatus' in resource && 'query' in resource) return resource as Client
  throw new BudgetError('A `pgBudget` needs the connections of `pgDriver`.')
}
