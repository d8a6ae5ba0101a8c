import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { PoolConnection as CallbackConnection } from 'mysql2'
import type { Pool, PoolConnection, PoolOptions } from 'mysql2/promise'
import { expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, openDropIn } from './support/drop-in.ts'
import { connectionTo, rowOf, sessionId, startProxy, table } from './support/pools.ts'

// A connection that is released while a statement of its holder is unanswered, and may stay so forever. Nothing here is timed: a pool
// that does not recover fails by the test's own timeout.

const open = (options: PoolOptions = {}): Pool =>
  openDropIn(createPool, { connectionLimit: 1, ...options })

function coreOf({ connection }: PoolConnection): CallbackConnection {
  return connection as unknown as CallbackConnection
}

async function expectServed(pool: Pool): Promise<void> {
  for (const n of [1, 2, 3]) expect(await rowOf(pool, `SELECT ${n} AS n`)).toEqual({ n })
  expect(countsOf(pool)).toEqual([1, 1, 0])
}

test('behind a black hole, statements without an answer cost one connection', async () => {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  const pool = open(connectionTo({ proxy }))
  const connection = await pool.getConnection()
  const [{ id } = { id: 0 }] = await proxy.connections()
  await proxy.hold({ connection: id })
  const failed = [1, 2].map(() => errorOf(connection.query('SELECT 1')))
  connection.release()
  await expectServed(pool)
  for (const error of await Promise.all(failed)) expect(error).toBeInstanceOf(Error)
})

test('a stream that nobody reads costs one connection', async () => {
  const pool = open()
  const connection = await pool.getConnection()
  const rows = coreOf(connection).query("SELECT REPEAT('x', 1000) FROM seq_1_to_100000").stream()
  const failed = once(rows, 'error')
  connection.release()
  await expectServed(pool)
  expect(await failed).toEqual([expect.any(Error)])
})

test('a stream without a listener for errors ends without an uncaught error', async () => {
  const pool = open()
  const connection = await pool.getConnection()
  const rows = coreOf(connection).query("SELECT REPEAT('x', 1000) FROM seq_1_to_100000").stream()
  const closed = new Promise((resolve) => rows.once('close', resolve))
  connection.release()
  await expectServed(pool)
  await closed
})

test('a file that does not come costs one connection', async () => {
  const name = await table('unanswered_file')
  const pool = open()
  const connection = await pool.getConnection()
  const source = new Readable({ read: () => undefined })
  onTestFinished(() => void source.destroy())
  const failed = errorOf(
    connection.query({
      sql: `LOAD DATA LOCAL INFILE 'none' INTO TABLE ${name}`,
      infileStreamFactory: () => source,
    }),
  )
  connection.release()
  await expectServed(pool)
  expect(await failed).toBeInstanceOf(Error)
})

test('a connection that its holder has paused is replaced', async () => {
  const pool = open()
  const connection = await pool.getConnection()
  const id = await sessionId(connection)
  coreOf(connection).pause()
  connection.release()
  expect(await sessionId(pool)).not.toBe(id)
  await expectServed(pool)
})

test('an answer that keeps coming is waited for, however many callers wait', async () => {
  const pool = open()
  const connection = await pool.getConnection()
  const id = await sessionId(connection)
  // A row every half second, for longer than the pool waits for a connection without progress.
  const rows = coreOf(connection)
    .query("SELECT seq, SLEEP(0.5), REPEAT('x', 20000) FROM seq_1_to_9")
    .stream()
  connection.release()
  const next = sessionId(pool)
  expect(await rows.toArray()).toHaveLength(9)
  expect(await next).toBe(id)
})
