import * as ownCore from '@forksafe/core'
import type { PoolOptions } from '@forksafe/core'
import { inChild, type ProxyRecord, type RecordingProxy } from '@forksafe/testkit'
import { readdirSync, readlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Client, ClientConfig } from 'pg'
import { expect, onTestFinished } from 'vitest'
import { type PgConnection, pgDriver } from '../../src/index.ts'
import { backendPid, connectionTo, type PgPool, type Transport } from './pools.ts'

/** How a child finds out: it calls `afterFork()`, or it calls nothing and looks at its next use. */
export type Notice = 'hooked' | 'unhooked'

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
  return sockets.flatMap((reference) => {
    const { _handle: handle } = (reference.deref() ?? {}) as { _handle?: { fd: number } | null }
    return handle && handle.fd >= 0 ? [readlinkSync(`/proc/self/fd/${handle.fd}`)] : []
  })
}

/** How many of these sockets this process has a descriptor of. */
export function countHeld(names: readonly string[]): number {
  const held = new Set(readdirSync('/proc/self/fd').map(linkOf))
  return names.filter((name) => held.has(name)).length
}

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // The descriptor that listed the folder.
  }
}

/** What a child saw. */
export interface Seen<T> {
  /** The descriptors of the pool's inherited sockets that are open: first thing, and right after the first use. */
  readonly heldAtFirst: number
  readonly heldAfterUse: number
  readonly generation: number
  /** The server's pid of the session that it was lent, or the name of the error it got instead. */
  readonly session: number | string
  readonly found: T
}

/** What a child does. */
export interface ChildsPart<T> {
  /** Its first use of the pool, synchronous, before it acquires. */
  readonly use?: () => void
  /** How long it waits for a session of its own, in milliseconds. */
  readonly timeoutMillis?: number
  /** What else to find out there, after the first use. */
  readonly look?: () => T | Promise<T>
  /** How many connections of its own it opens. Default 1. */
  readonly opens?: number
}

/**
 * Forks a child that notices, uses the pool and looks around. Makes sure that it let go of all that it inherited, at once
 * or at its first use; that it opened connections of its own; and that nothing came from it on the parent's.
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
  { use, look, timeoutMillis }: ChildsPart<T> = {},
): Promise<Seen<T>> {
  const { pool } = watched
  const names = socketNames(watched)
  return inChild(
    async () => {
      const heldAtFirst = countHeld(names)
      use?.()
      const acquired = pool.acquire({ timeoutMillis })
      const heldAfterUse = countHeld(names)
      const session = await acquired.then(
        async (lease) => {
          const pid = await backendPid(lease.resource)
          lease.release()
          return pid
        },
        (error: Error) => error.name,
      )
      const { generation } = pool.stats
      return { heldAtFirst, heldAfterUse, generation, session, found: (await look?.()) as T }
    },
    { afterFork: notice === 'hooked' },
  )
}

/** What must hold of a child that is forked after this, if the parent writes nothing until the child is gone. */
export async function expectation(
  watched: WatchedPool,
  notice: Notice,
  opens = 1,
): Promise<{ of<T>(seen: Seen<T>): Promise<Seen<T>> }> {
  const { pool, proxy } = watched
  const names = socketNames(watched)
  // The end of a connection of the test before may be late. It is none of this child's.
  await expect
    .poll(async () => (await proxy.connections()).filter(({ open }) => open).length)
    .toBeLessThanOrEqual(names.length)
  const mark = await proxy.mark()
  const { generation } = pool.stats
  return {
    async of(seen) {
      expect(seen).toMatchObject({
        heldAtFirst: notice === 'hooked' ? 0 : names.length,
        heldAfterUse: 0,
        generation: generation + 1,
      })
      const records = await proxy.records({ since: mark })
      const opened = new Set(
        records.filter(({ kind }) => kind === 'open').map(({ connection }) => connection),
      )
      expect(opened.size).toBe(opens)
      const inherited = records.filter(({ connection }) => !opened.has(connection))
      expect(fromClient(inherited)).toEqual([])
      // In the parent nothing has happened.
      expect(pool.stats.generation).toBe(generation)
      expect(countHeld(names)).toBe(names.length)
      return seen
    },
  }
}

/** Everything but what the server sends: bytes, FINs, RSTs. */
export function fromClient(records: ProxyRecord[]): ProxyRecord[] {
  return records.filter((record) => record.kind !== 'data' || record.direction === 'fromClient')
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

/** The name of what a promise rejects with, or that it did not. */
export function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'resolved',
    (error: Error) => error.name,
  )
}

/** The number of the connection that was opened last, for a fault of its own. */
export async function newest(proxy: RecordingProxy): Promise<number> {
  const { id } = (await proxy.connections()).at(-1) ?? { id: 0 }
  return id
}

/** Waits until the client has written since. */
export async function expectWritten(proxy: RecordingProxy, mark: number): Promise<void> {
  await expect
    .poll(async () => fromClient(await proxy.records({ since: mark })).length, { interval: 5 })
    .toBeGreaterThan(0)
}
