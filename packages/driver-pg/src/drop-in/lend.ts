import type { Lease } from '@forksafe/core'
import type { PoolClient } from 'pg'
import { isPending, isQueryable } from '../internals.ts'
import { isUnusable } from '../unusable-session.ts'
import { openStreamOf } from '../open-streams.ts'
import { says } from './messages.ts'
import type { DropInOptions } from './options.ts'
import { isInherited, type Session } from './session.ts'
import { throwUncaught } from './callbacks.ts'
import { releaseWhenAnswered } from './release-when-answered.ts'

/** Calls the pool's listeners. */
export type Tell = (event: 'acquire' | 'release', ...details: unknown[]) => void

/** What lending asks its pool. */
export interface Lender {
  readonly tell: Tell
  /** Whether `end()` was called. */
  readonly isEnding: () => boolean
  /** Whether a caller waits for a client. */
  readonly isWaitedFor: () => boolean
}

/** Puts a `release` on the client, and tells who listens. Rejects where `verify` does not approve. */
export function lend(
  lease: Lease<Session>,
  { verify }: DropInOptions,
  lender: Lender,
): PoolClient | Promise<PoolClient> {
  const session = lease.resource
  const { client } = session
  const isNew = !session.used
  session.lease = lease
  session.used = true
  lender.tell('acquire', client)
  client.release = releaseOnce(session, lease, lender)
  return isNew && verify ? verified(client, verify) : client
}

/** Comes with an error that says nothing of the connection. Nobody else has it: `release` is given all kinds of things. */
const healthy = Symbol('healthy')

/** Gives a client back after an error of its query, and not of its connection. */
export function releaseHealthy(client: PoolClient, error: Error): void {
  const marked = client as { release(error: Error, mark: symbol): void }
  marked.release(error, healthy)
}

function releaseOnce(
  session: Session,
  lease: Lease<Session>,
  lender: Lender,
): (error?: Error | boolean, mark?: unknown) => void {
  let released = false
  return (error, mark) => {
    // Its holder is the process that this one was copied from.
    if (isInherited(lease)) return
    if (released) throw new Error(says.releasedTwice)
    released = true
    giveBack(session, lease, lender, error, Boolean(error) && mark !== healthy)
  }
}

function giveBack(
  session: Session,
  lease: Lease<Session>,
  lender: Lender,
  error: Error | boolean | undefined,
  broken: boolean,
): void {
  const { client } = session
  session.lease = undefined
  lender.tell('release', error, client)
  if (broken || !isQueryable(client)) {
    lease.destroy(error instanceof Error ? error : undefined)
  } else if (!isPending(client) || isUnusable(client) || openStreamOf(client) !== undefined) {
    lease.release()
  } else if (lender.isEnding()) lease.destroy()
  else releaseWhenAnswered(session, lease, lender.isWaitedFor)
}

function verified(
  client: PoolClient,
  verify: NonNullable<DropInOptions['verify']>,
): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    let called = false
    const judged = (error?: Error): void => {
      called = true
      if (!error) return resolve(client)
      client.release(error)
      return reject(error)
    }
    try {
      verify(client, judged)
    } catch (error) {
      // Nobody else has it yet.
      if (!called) judged(error as Error)
      else throwUncaught(error)
    }
  })
}
