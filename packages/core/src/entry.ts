import type { Generation } from './generation.ts'
import type { PooledLease } from './lease.ts'
import type { Linked } from './list.ts'
import type { DestroyReason } from './surface.ts'

export type EntryState =
  'creating' | 'idle' | 'lent' | 'validating' | 'resetting' | 'destroying' | 'gone'

/** Who acquired a resource. */
export interface Borrower {
  /** Held for longer, it is a leak. */
  readonly leakMillis: number
  readonly stack: string
}

/** One place in a generation, from the begin of a create to the end of the destroy. generic-pool holds these. */
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
  lease: PooledLease<R> | undefined = undefined
  /** How often it has been lent. */
  uses = 0
  /** When its life ends, by the monotonic clock. */
  expiresAt = Infinity
  /** When it became idle, or a moment before, by the monotonic clock. */
  idleSince = 0
  /** When it was last known to work, or a moment before, by each clock. */
  trustedAt = 0
  trustedAtWall = 0
  /** How often the event loop was known to have polled when it became idle. */
  polls = 0
  /** The test after which it goes back to where it was idle, if nobody takes it. */
  test: 'keepalive' | 'poll' | undefined = undefined
  /** To whom it is lent, and since when by the monotonic clock; kept for leak detection alone. */
  lentTo: Borrower | undefined = undefined
  lentAt = 0
  /** It did not answer in time: nor would it answer a goodbye. */
  mute = false
  /** Why it is being destroyed. */
  ending: { readonly reason: DestroyReason; readonly error?: unknown } = { reason: 'broken' }
  /** When the hook in flight, or the last one, was called, by the monotonic clock. */
  calledAt = 0
  /** The hook in flight has outlived a caller who waited for it: nobody counts on it any more. */
  overdue = false
  /** Ends the wait for the hook in flight, if there is one. */
  giveUp: ((reason: Error) => void) | undefined = undefined

  readonly generation: Generation<R>

  constructor(generation: Generation<R>) {
    this.generation = generation
  }
}
