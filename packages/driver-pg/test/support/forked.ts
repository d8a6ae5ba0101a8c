import * as ownCore from '@forksafe/core'
import type { PoolOptions } from '@forksafe/core'
import * as shared from '@forksafe/scripts/forked'
import {
  type ChildsPart,
  type Expectation,
  expectOpen,
  namesOf,
  type Notice,
} from '@forksafe/scripts/forked'
import type { RecordingProxy } from '@forksafe/testkit'
import { Socket } from 'node:net'
import type { Client, ClientConfig } from 'pg'
import { onTestFinished } from 'vitest'
import { type PgConnection, pgDriver } from '../../src/index.ts'
import { backendPid, connectionTo, type PgPool, type Transport } from './pools.ts'

export {
  countHeld,
  expectWritten,
  fateOf as outcomeOf,
  fromClient,
  newest,
} from '@forksafe/scripts/forked'
export type { ChildsPart, Notice }

/** A pool behind a recording proxy, whose bare sockets are known. */
export interface WatchedPool {
  readonly pool: PgPool
  readonly proxy: RecordingProxy
  /** Weak: what is proved to be collectable must not be held here. */
  readonly sockets: WeakRef<Socket>[]
}

/** A pool through `proxy` that is closed when the test ends. */
export function openWatchedPool(
  proxy: RecordingProxy,
  transport: Transport,
  options: Omit<PoolOptions<PgConnection>, 'connection'> = {},
  {
    core = ownCore,
    driver = pgDriver,
    login = {},
  }: { core?: typeof ownCore; driver?: typeof pgDriver; login?: ClientConfig } = {},
): WatchedPool {
  const sockets: WeakRef<Socket>[] = []
  const stream = (): Socket => {
    const socket = new Socket()
    sockets.push(new WeakRef(socket))
    return socket
  }
  const connection = { ...connectionTo({ transport, proxy }), ...login, stream }
  const pool = core.createForkSafePool(driver, { connection, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return { pool, proxy, sockets }
}

/** The kernel's names of the pool's sockets: copies in a child have the same. */
export function socketNames({ sockets }: WatchedPool): string[] {
  return namesOf(sockets.map((reference) => reference.deref()))
}

/** A child as its parent sees it. Its session is the pid of its backend. */
export type Seen<T> = shared.Seen<number, T>

/**
 * Forks a child that notices, uses the pool and looks around. Expects that it let go of all that it inherited, at once or at
 * its first use; that it opened connections of its own; and that nothing came from it on the parent's.
 */
export async function expectSilentChild<T = undefined>(
  watched: WatchedPool,
  notice: Notice,
  part: ChildsPart<T> = {},
): Promise<Seen<T>> {
  const expected = await expectation(watched, notice, part.opens)
  return expected.of(await forkInto(watched, notice, part))
}

/** The fork of `expectSilentChild`, at this very point of the caller's code: await it at once. */
export function forkInto<T>(
  watched: WatchedPool,
  notice: Notice,
  part: ChildsPart<T> = {},
): Promise<Seen<T>> {
  return shared.forkInto(watched, notice, socketNames(watched), backendPid, part)
}

/** What must hold of a child that is forked after this, if the parent writes nothing until the child is gone. */
export async function expectation(
  watched: WatchedPool,
  notice: Notice,
  opens = 1,
): Promise<Expectation> {
  const names = socketNames(watched)
  await expectOpen(watched.proxy, names)
  return shared.expectation(watched, notice, names, opens)
}

/** The session behind a client, its open transaction, and the statements that are prepared in it. */
export interface Session {
  readonly pid: number
  readonly transaction: string | null
  readonly prepared: string[] | null
}

/** What the server says of a session. */
export async function sessionOf(client: Client): Promise<Session> {
  const { rows } = await client.query<Session>(
    `SELECT pg_backend_pid() AS pid, txid_current_if_assigned()::text AS transaction,
            (SELECT array_agg(name) FROM pg_prepared_statements) AS prepared`,
  )
  return rows[0] as Session
}

/** Prepares a statement, so that the session is like no other. */
export async function prepare(client: Client): Promise<void> {
  await client.query({ name: 'prepared_by_the_parent', text: 'SELECT 1' })
}
