import type { Lease } from '@forksafe/core'
import { watchPendingAnswers } from '@forksafe/core/methods'
import { isUnusable } from '../unusable-session.ts'
import { isInherited, type Session } from './session.ts'

/** The wait for the answers to queries that a holder did not wait for. */
export interface PendingRelease {
  /** All of them are answered now. */
  answered(): void
  /** Ends the connection instead. */
  giveUp(): void
  stop(): void
}

/**
 * Keeps a connection until the queries are answered that its holder did not wait for. In pg-pool, the next holder's queries wait
 * behind them. Ends it instead if a query times out, or if callers still wait for a client after 3 seconds: there may never be an
 * answer.
 */
export function releaseWhenAnswered(
  session: Session,
  lease: Lease<Session>,
  isWaitedFor: () => boolean,
): void {
  const giveUp = (): void => {
    session.pendingRelease = undefined
    if (!isInherited(lease)) lease.destroy()
  }
  const stopWatch = watchPendingAnswers({
    isHopeless: () => isUnusable(session.client),
    isWaitedFor,
    giveUp,
  })
  const stop = (): void => {
    stopWatch()
    session.pendingRelease = undefined
  }
  const answered = (): void => {
    stop()
    lease[Symbol.dispose]()
  }
  session.pendingRelease = { answered, giveUp, stop }
}
