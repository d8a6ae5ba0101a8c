import type { PoolOptions } from '@forksafe/core'
import { inChild, type ProxyRecord, type RecordingProxy } from '@forksafe/testkit'
import type { ConnectionOptions } from 'mysql2'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect } from 'vitest'
import type { MysqlClient, MysqlConnection, MysqlPool } from '../../src/index.ts'
import { connectionTo, openPool, rowOf, sessionId, type Transport } from './pools.ts'

/** How a child finds out: it calls `afterFork()`, or it calls nothing and looks at its next use. */
export type Notice = 'hooked' | 'unhooked'

/** A pool behind a recording proxy, whose bare sockets are known. */
export interface WatchedPool {
  readonly pool: MysqlPool
  readonly proxy: RecordingProxy
  readonly sockets: Socket[]
}

/** A pool through `proxy` that is closed when the test ends. */
export function openWatchedPool(
  proxy: RecordingProxy,
  transport: Transport,
  options: Omit<PoolOptions<MysqlConnection>, 'connection'> = {},
): WatchedPool {
  const sockets: Socket[] = []
  const stream = ({ config }: { config: ConnectionOptions }): Socket => {
    const { socketPath, host, port } = config
    const socket = connect(
      socketPath === undefined ? { host, port: Number(port) } : { path: socketPath },
    )
    sockets.push(socket)
    return socket
  }
  return {
    pool: openPool({ ...connectionTo({ transport, proxy }), stream }, options),
    proxy,
    sockets,
  }
}

/** The kernel's names of the pool's sockets: copies in a child have the same. */
function socketNames({ sockets }: WatchedPool): string[] {
  return sockets.flatMap((socket) => {
    const { _handle: handle } = socket as { _handle?: { fd: number } | null }
    return handle && handle.fd >= 0 ? [readlinkSync(`/proc/self/fd/${handle.fd}`)] : []
  })
}

/** How many of these sockets this process has a descriptor of. */
function countHeld(names: readonly string[]): number {
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
  /** The server's number of the session that it was lent, or the name of the error it got instead. */
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
}

/**
 * Forks a child that notices, uses the pool and looks around. Makes sure that it let go of all that it inherited, at once
 * or at its first use; that it opened one connection of its own; and that nothing came from it on the parent's.
 */
export async function expectSilentChild<T = undefined>(
  watched: WatchedPool,
  notice: Notice,
  part: ChildsPart<T> = {},
): Promise<Seen<T>> {
  const expected = await expectation(watched, notice)
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
          const id = await sessionId(lease.resource)
          lease.release()
          return id
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
): Promise<{ of<T>(seen: Seen<T>): Promise<Seen<T>> }> {
  const { pool, proxy } = watched
  const mark = await proxy.mark()
  const names = socketNames(watched)
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
      expect(opened.size).toBe(1)
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
function fromClient(records: ProxyRecord[]): ProxyRecord[] {
  return records.filter((record) => record.kind !== 'data' || record.direction === 'fromClient')
}

/** The session behind a client, whether it is in a transaction, and how many statements were ever prepared in it. */
export interface Session {
  readonly id: number
  readonly inTransaction: number
  readonly prepared: string
}

/** What the server says of a session. */
export function seenByServer(client: MysqlClient): Promise<Session> {
  return rowOf<Session>(
    client,
    `SELECT CONNECTION_ID() AS id, @@in_transaction AS inTransaction, (
       SELECT variable_value FROM information_schema.session_status
       WHERE variable_name = 'Com_stmt_prepare') AS prepared`,
  )
}

/** Has a statement prepared, where it is not yet. */
export async function execute(client: MysqlClient): Promise<void> {
  const [rows] = await client.execute('SELECT ? AS n', [1])
  expect(rows).toEqual([{ n: 1 }])
}
