import type { Lease } from '@forksafe/core'
import { isSpoiled } from '../spoiled.ts'
import { isInherited, type Session } from './session.ts'

/** How long the queries have, at least, before callers that wait come first. */
const PATIENCE_MILLIS = 3_000
const LOOK_EVERY_MILLIS = 250

/** The wait for the answers to queries that a holder did not wait for. */
export interface Unanswered {
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
export function waitForAnswers(
  session: Session,
  lease: Lease<Session>,
  isWaitedFor: () => boolean,
): void {
  const stop = (): void => {
    clearInterval(timer)
    session.unanswered = undefined
  }
  const answered = (): void => {
    stop()
    lease[Symbol.dispose]()
  }
  const giveUp = (): void => {
    stop()
    if (!isInherited(lease)) lease.destroy()
  }
  const since = performance.now()
  const timer = setInterval(() => {
    const isPatient = performance.now() - since < PATIENCE_MILLIS
    if (isSpoiled(session.client) || (!isPatient && isWaitedFor())) giveUp()
  }, LOOK_EVERY_MILLIS).unref()
  session.unanswered = { answered, giveUp, stop }
}
