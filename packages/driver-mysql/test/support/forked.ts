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
import type { ConnectionOptions } from 'mysql2'
import { connect, type Socket } from 'node:net'
import { expect } from 'vitest'
import type { MysqlClient, MysqlConnection, MysqlPool } from '../../src/index.ts'
import { connectionTo, openPool, rowOf, sessionId, type Transport } from './pools.ts'

export type { ChildsPart, Notice }

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

/** A child as its parent sees it. Its session is the server's connection number. */
export type Seen<T> = shared.Seen<number, T>

/**
 * Forks a child that notices, uses the pool and looks around. Expects that it let go of all that it inherited, at once or at
 * its first use; that it opened one connection of its own; and that nothing came from it on the parent's.
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
  part: ChildsPart<T> = {},
): Promise<Seen<T>> {
  return shared.forkInto(watched, notice, namesOf(watched.sockets), sessionId, part)
}

/** What must hold of a child that is forked after this, if the parent writes nothing until the child is gone. */
export async function expectation(watched: WatchedPool, notice: Notice): Promise<Expectation> {
  const names = namesOf(watched.sockets)
  await expectOpen(watched.proxy, names)
  return shared.expectation(watched, notice, names)
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
