import type { AsyncResource } from 'node:async_hooks'
import type { Permit } from '../api/budget.ts'
import type { ResetContext } from '../api/driver.ts'
import type { DestroyReason } from '../api/pool.ts'
import type { Linked } from '../tools/list.ts'
import { nextResourceId } from '../context/live-pools.ts'
import type { Generation } from './generation.ts'

export type EntryState =
  'creating' | 'idle' | 'lent' | 'shared' | 'validating' | 'resetting' | 'destroying' | 'gone'

/** The holder of a resource, for leak detection. */
export interface Borrower {
  readonly leakMillis: number
  readonly stack: string
}

/** Replaces a holder that has been reported. */
export const REPORTED: Borrower = { leakMillis: Infinity, stack: '' }

/** The callers that share a resource. */
export interface Sharers {
  /** Called if the resource ends while it is shared. */
  ended(): void
}

/** The permit of a resource of a pool with a budget. */
export interface EntryPermit extends Permit {
  /** @throws the error with which the budget failed: there is no permit. */
  check?(): void
}

/** One resource, from the start of its create to the end of its destroy. Times are by the monotonic clock. */
export class Entry<R extends object> implements Linked<Entry<R>> {
  previous: Entry<R> | undefined = undefined
  next: Entry<R> | undefined = undefined
  state: EntryState = 'creating'
  /** When its create began. */
  startedAt = 0
  /** Its create began while creates were failing. */
  probe = false
  resource: R | undefined = undefined
  /** Set until it is released, if the pool has a budget. */
  permit: EntryPermit | undefined = undefined
  /** Its permit is bound. */
  bound = false
  /** Its create has failed: there is no resource. */
  failed = false
  /** Set once it has been shared. */
  sharers: Sharers | undefined = undefined
  /**
   * How often it has been lent, and how many requests were sent on it. A lease is valid for one use, while the state is `lent`.
   */
  uses = 0
  /** When its lifetime ends. */
  expiresAt = Infinity
  /** When it became idle, or a moment before. */
  idleSince = 0
  /** When it was last known to work, or a moment before, by each clock. */
  trustedAt = 0
  trustedAtWall = 0
  /** `clock.readings` when it became idle, if it can be lent again without a test until the next reading. */
  reading = -1
  /** How often the event loop was known to have polled when it became idle. */
  polls = 0
  /** The test after which it goes back to where it was idle, if nobody takes it. */
  test: 'keepalive' | 'poll' | undefined = undefined
  /** Its holder. Set only for leak detection. */
  lentTo: Borrower | undefined = undefined
  /** When it was lent, or -1 if no clock was read then, or the lease has ended. */
  lentAt = -1
  /** Why it must not be lent again. */
  retired: 'recycle' | 'retire' | undefined = undefined
  /** It did not answer in time, so it is not closed politely. */
  isUnresponsive = false
  /** The async context in which its create was begun. Set only while creates are watched. */
  opener: AsyncResource | undefined = undefined
  /** Why it is being destroyed. */
  ending: { readonly reason: DestroyReason; readonly error?: unknown } = { reason: 'broken' }
  /** When the hook in flight was called. */
  calledAt = 0
  /** A waiting caller can count on it. */
  coming = false
  /** Gives up the hook in flight, if there is one. */
  giveUp: ((reason: Error) => void) | undefined = undefined
  /** The second argument of `reset`. */
  resetContext: ResetContext | undefined = undefined

  /** Never reused in a process. */
  readonly id = nextResourceId()

  constructor(readonly generation: Generation<Entry<R>>) {}
}
