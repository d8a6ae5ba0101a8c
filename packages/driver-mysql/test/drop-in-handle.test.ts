import type { PoolConnection as CallbackConnection } from 'mysql2'
import type { Pool, PoolConnection, PoolOptions } from 'mysql2/promise'
import { describe, expect, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, openDropIn } from './support/drop-in.ts'
import { observe, rowOf, sessionId, table } from './support/pools.ts'

// What `getConnection` gives is valid for one use: what is done with it after its release reaches nobody.

const open = (options: PoolOptions = {}): Pool =>
  openDropIn(createPool, { connectionLimit: 1, ...options })
const released = { code: 'FORKSAFE_LEASE_RELEASED' }

/** Everything that one may do late, with promises. */
const late: Record<string, (on: PoolConnection, pool: Pool) => unknown> = {
  release: (on) => on.release(),
  'release, twice': (on) => {
    on.release()
    on.release()
  },
  'pool.releaseConnection': (on, pool) => pool.releaseConnection(on),
  'the release of its connection': (on) => callbacksOf(on).release(),
  'pool.pool.releaseConnection': (on, pool) => pool.pool.releaseConnection(callbacksOf(on)),
  destroy: (on) => on.destroy(),
  'the destroy of its connection': (on) => callbacksOf(on).destroy(),
  close: (on) => (on as unknown as { close(): void }).close(),
  end: (on) => on.end(),
  dispose: (on) => on[Symbol.asyncDispose](),
  'dispose of its connection': (on) => (on.connection as unknown as Disposable)[Symbol.dispose](),
  query: (on) => errorOf(on.query('COMMIT')),
  'query by callback': (on) =>
    new Promise((resolve) => callbacksOf(on).query('COMMIT', () => resolve(undefined))),
  execute: (on) => errorOf(on.execute('COMMIT')),
  commit: (on) => errorOf(on.commit()),
  rollback: (on) => errorOf(on.rollback()),
  beginTransaction: (on) => errorOf(on.beginTransaction()),
  reset: (on) => errorOf((on as unknown as { reset(): Promise<void> }).reset()),
  ping: (on) => errorOf(on.ping()),
  prepare: (on) => errorOf(on.prepare('COMMIT')),
  changeUser: (on) => errorOf(on.changeUser({ database: 'mysql' })),
  unprepare: (on) => on.unprepare('SELECT ? AS n'),
  pause: (on) => on.pause(),
  removeAllListeners: (on) => callbacksOf(on).removeAllListeners(),
}

function callbacksOf(on: PoolConnection): CallbackConnection {
  return on.connection as unknown as CallbackConnection
}

describe.each(Object.entries(late))('a late `%s`', (what, act) => {
  test.each(['', ', with `gracefulEnd`'])('does not reach the next holder%s', async (graceful) => {
    const pool = open({ gracefulEnd: graceful !== '' })
    const index = Object.keys(late).indexOf(what) * 2 + (graceful ? 1 : 0)
    const name = await table(`late_${index}`)
    const first = await pool.getConnection()
    const waiting = pool.getConnection()
    first.release()
    // Before the next holder knows of it, and then in the middle of its transaction.
    await act(first, pool)
    const next = await waiting
    const id = await sessionId(next)
    await next.beginTransaction()
    await next.query(`INSERT INTO ${name} VALUES (1)`)
    const heard: unknown[] = []
    callbacksOf(next).on('late', (value) => heard.push(value))
    await act(first, pool)
    callbacksOf(next).emit('late', 1)
    expect(heard).toEqual([1])
    expect(countsOf(pool)).toEqual([1, 0, 0])
    const inside = 'SELECT @@in_transaction AS open, DATABASE() AS name'
    expect(await rowOf(next, inside)).toMatchObject({ open: 1, name: next.config.database })
    expect((await next.execute('SELECT ? AS n', [1]))[0]).toEqual([{ n: 1 }])
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
    await next.rollback()
    expect(await sessionId(next)).toBe(id)
    next.release()
    expect(countsOf(pool)).toEqual([1, 1, 0])
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
  })
})

test('a statement that was prepared through it is not executed after its release', async () => {
  const pool = open()
  const name = await table('late_prepared')
  const first = await pool.getConnection()
  const byPromise = await first.prepare(`INSERT INTO ${name} VALUES (?)`)
  await byPromise.execute([1])
  first.release()
  const next = await pool.getConnection()
  await next.beginTransaction()
  expect(await errorOf(byPromise.execute([2]))).toMatchObject(released)
  await byPromise.close()
  await next.commit()
  // The same statement, prepared on the same connection.
  const again = await next.prepare(`INSERT INTO ${name} VALUES (?)`)
  await again.execute([3])
  await again.close()
  next.release()
  expect(await observe(`SELECT * FROM ${name}`)).toEqual([{ n: 1 }, { n: 3 }])
})

test('with callbacks it is the same', async () => {
  const { pool } = open()
  const get = (): Promise<CallbackConnection> =>
    new Promise((resolve) => pool.getConnection((_, connection) => resolve(connection)))
  const name = await table('late_callbacks')
  const first = await get()
  first.release()
  const next = await get()
  await next.promise().beginTransaction()
  await next.promise().query(`INSERT INTO ${name} VALUES (1)`)
  first.release()
  first.destroy()
  const error = await new Promise((resolve) => first.query('COMMIT', resolve))
  expect(error).toMatchObject(released)
  expect(error).toMatchObject({ message: expect.stringContaining('was released') as string })
  const events: string[] = []
  first
    .query('COMMIT')
    .on('error', () => events.push('error'))
    .on('end', () => events.push('end'))
  await expect.poll(() => events).toEqual(['error', 'end'])
  await next.promise().rollback()
  expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
  next.release()
})

test('events of the pool carry the connection that the holder has', async () => {
  const pool = open()
  const told: unknown[] = []
  for (const event of ['acquire', 'release'] as const) {
    pool.on(event as 'acquire', (connection) => told.push(connection))
  }
  const connection = await pool.getConnection()
  connection.release()
  expect(told).toHaveLength(2)
  for (const given of told) expect(given).toBe(connection.connection)
})

test('it is the connection in all else', async () => {
  const pool = open()
  const connection = await pool.getConnection()
  const { threadId } = connection
  const callbacks = callbacksOf(connection)
  Object.assign(callbacks, { mine: 1 })
  connection.release()
  expect(connection.threadId).toBe(threadId)
  expect(connection.escape("it's")).toBe("'it\\'s'")
  Object.assign(callbacks, { mine: 2 })
  const next = await pool.getConnection()
  expect(next.connection).not.toBe(connection.connection)
  expect(next.connection).toMatchObject({ threadId, mine: 1 })
  next.release()
})
