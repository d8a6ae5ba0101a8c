import type { ResetContext } from '../api/driver.ts'
import type { DestroyReason } from '../api/pool.ts'
import type { Linked } from '../tools/list.ts'
import type { Generation } from './generation.ts'

export type EntryState =
  'creating' | 'idle' | 'lent' | 'shared' | 'validating' | 'resetting' | 'destroying' | 'gone'

/** Who acquired a resource. */
export interface Borrower {
  /** A lease that is held for longer is a leak. */
  readonly leakMillis: number
  readonly stack: string
}

/** In place of a holder that has been reported as a leak. */
export const REPORTED: Borrower = { leakMillis: Infinity, stack: '' }

/** Those who share a resource. */
export interface Sharers {
  /** The resource has ended while it was shared. */
  ended(): void
}

/** One resource and all that the pool knows of it, from the begin of its create to the end of its destroy. */
export class Entry<R extends object> implements Linked<Entry<R>> {
  previous: Entry<R> | undefined = undefined
  next: Entry<R> | undefined = undefined
  state: EntryState = 'creating'
  /** When its create began, by the monotonic clock. */
  startedAt = 0
  /** Its create was begun because another had failed. */
  probe = false
  resource: R | undefined = undefined
  /** Its create has failed: there is no resource. */
  failed = false
  /** Set once it has been shared. */
  sharers: Sharers | undefined = undefined
  /**
   * How often it has been lent, and how many requests were sent on it. A lease is valid for one use, while the state is `lent`.
   */
  uses = 0
  /** When its lifetime ends, by the monotonic clock. */
  expiresAt = Infinity
  /** When it became idle, or a moment before, by the monotonic clock. */
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
  /** When it was lent, by the monotonic clock; -1 if no clock was read then. */
  lentAt = 0
  /** Why it ends when it comes back, instead of being lent again. */
  retired: 'recycle' | 'retire' | undefined = undefined
  /** It did not answer in time, and would not answer a goodbye. */
  mute = false
  /** Why it is being destroyed. */
  ending: { readonly reason: DestroyReason; readonly error?: unknown } = { reason: 'broken' }
  /** When the hook in flight was called, by the monotonic clock. */
  calledAt = 0
  /** It is on its way, and a waiting caller can count on it. */
  coming = false
  /** Gives up the hook in flight, if there is one. */
  giveUp: ((reason: Error) => void) | undefined = undefined
  /** The second argument of `reset`. */
  resetContext: ResetContext | undefined = undefined

  readonly generation: Generation<Entry<R>>

  constructor(generation: Generation<Entry<R>>) {
    this.generation = generation
  }
}
