import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { PoolConnection as CallbackConnection } from 'mysql2'
import type { Pool, PoolConnection, PoolOptions } from 'mysql2/promise'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, eventsOf, isClosed, openDropIn } from './support/drop-in.ts'
import {
  connectionTo,
  observe,
  sessionId,
  sessionsAlive,
  startProxy,
  table,
} from './support/pools.ts'

// Where the drop-in is not like mysql2's pool, on purpose. docs/drop-in-mysql.md says the same.

const open = (options: PoolOptions = {}): Pool => openDropIn(createPool, options)

/** Under its TLS and its protocol. */
function socketOf(connection: PoolConnection): Duplex {
  return Reflect.get(connection.connection, 'stream') as Duplex
}

test('works behind a proxy', async () => {
  const { pool } = open()
  const proxied = new Proxy(pool, {}).promise()
  expect((await proxied.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
})

describe('a connection', () => {
  test('comes back without the transaction that its holder left open', async () => {
    const pool = open({ connectionLimit: 1 })
    const name = await table('drop_in_left_open')
    const connection = await pool.getConnection()
    const id = await sessionId(connection)
    await connection.beginTransaction()
    await connection.query(`INSERT INTO ${name} VALUES (1)`)
    connection.release()
    expect((await pool.query(`SELECT * FROM ${name}`))[0]).toEqual([])
    expect((await pool.query('SELECT @@in_transaction AS open'))[0]).toEqual([{ open: 0 }])
    expect(await sessionId(pool)).toBe(id)
  })

  test('costs no round trip if nothing was left', async () => {
    const pool = open({ connectionLimit: 1 })
    const questions = async (): Promise<number> => {
      const [rows] = await pool.query("SHOW SESSION STATUS LIKE 'Questions'")
      return Number((rows as { Value: string }[])[0]?.Value)
    }
    const before = await questions()
    await pool.query('SELECT 1')
    const connection = await pool.getConnection()
    await connection.query('SELECT 1')
    connection.release()
    // Released in the middle of an error that is being told.
    await new Promise<void>((resolve) => {
      pool.pool.getConnection((_, connection) => {
        connection.query('SELECT nothing', () => {
          connection.release()
          resolve()
        })
      })
    })
    expect(await questions()).toBe(before + 4)
  })

  test('that is released before its answer has arrived is lent afterwards', async () => {
    const pool = open({ connectionLimit: 2 })
    const connection = await pool.getConnection()
    // The lock makes the first statement wait for as long as the second one takes.
    const other = open({ connectionLimit: 1 })
    await other.query("SELECT GET_LOCK('drop_in_slow', 0)")
    const slow = connection.query("SELECT GET_LOCK('drop_in_slow', 60)").then(() => 'slow')
    connection.release()
    const quick = pool.query('SELECT 1').then(() => 'quick')
    expect(await Promise.race([slow, quick])).toBe('quick')
    await other.query("SELECT RELEASE_LOCK('drop_in_slow')")
    await slow
    await expect.poll(() => countsOf(pool)).toEqual([2, 2, 0])
  })

  test('whose stream is still being read is lent when the stream ends', async () => {
    const pool = open({ connectionLimit: 2 })
    const id = await sessionId(pool)
    const connection = await pool.getConnection()
    const core = connection.connection as unknown as CallbackConnection
    const rows = core.query('SELECT seq FROM seq_1_to_100000').stream()
    await once(rows, 'readable')
    connection.release()
    expect(await sessionId(pool)).not.toBe(id)
    let count = 0
    for await (const _ of rows) count++
    expect(count).toBe(100_000)
    await expect.poll(() => countsOf(pool)).toEqual([2, 2, 0])
  })

  test.each(['query', 'execute', 'getConnection'] as const)(
    'whose statement runs on after its `timeout` is replaced at once (%s)',
    async (verb) => {
      const { proxy, stop } = await startProxy('plain')
      onTestFinished(stop)
      const pool = open({ ...connectionTo({ proxy }), connectionLimit: 1 })
      const slow = { sql: 'SELECT SLEEP(60)', timeout: 100 }
      const timedOut = { code: 'PROTOCOL_SEQUENCE_TIMEOUT' }
      const id = await sessionId(pool)
      if (verb === 'getConnection') {
        const connection = await pool.getConnection()
        await expect(connection.query(slow)).rejects.toMatchObject(timedOut)
        connection.release()
      } else {
        const asked = verb === 'query' ? pool.query(slow) : pool.execute(slow)
        await expect(asked).rejects.toMatchObject(timedOut)
      }
      expect(await sessionId(pool)).not.toBe(id)
      expect(countsOf(pool)).toEqual([1, 1, 0])
      // And one that a router has forgotten.
      for (const { id, open } of await proxy.connections())
        if (open) await proxy.hold({ connection: id })
      await expect(pool.query({ sql: 'SELECT 1', timeout: 100 })).rejects.toMatchObject(timedOut)
      expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
      expect(countsOf(pool)).toEqual([1, 1, 0])
    },
  )

  test('that was logged in as another user is replaced', async () => {
    const pool = open({ connectionLimit: 1 })
    const id = await sessionId(pool)
    const connection = await pool.getConnection()
    const { user, password } = connectionTo()
    await connection.changeUser({ ...(user && { user }), ...(password && { password }) })
    connection.release()
    expect(await sessionId(pool)).not.toBe(id)
  })

  test('that was lost silently is detected before it is lent', async () => {
    const pool = open({ connectionLimit: 1 })
    const connection = await pool.getConnection()
    const id = await sessionId(connection)
    connection.release()
    // Its end is not heard of, as if a router had forgotten it.
    socketOf(connection).pause()
    await observe(`KILL CONNECTION ${id}`)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(await sessionId(pool)).not.toBe(id)
  })

  test('ends after `idleTimeout`, whatever `maxIdle` is', async () => {
    const pool = open({ idleTimeout: 100 })
    const id = await sessionId(pool)
    await expect.poll(() => countsOf(pool)).toEqual([0, 0, 0])
    await expect.poll(() => sessionsAlive([id])).toEqual([])
  })

  test('that is released serves a waiting caller before the connection that is opened for it', async () => {
    const pool = open({ connectionLimit: 2 })
    const holder = await pool.getConnection()
    const waiting = pool.getConnection()
    holder.release()
    const served = await waiting
    expect(served.threadId).toBe(holder.threadId)
    served.release()
    await expect.poll(() => countsOf(pool)).toEqual([2, 2, 0])
  })
})

test('`release` and `acquire` are emitted also if a connection goes straight to a waiting caller', async () => {
  const pool = open({ connectionLimit: 1 })
  const events = eventsOf(pool)
  const first = await pool.getConnection()
  const second = pool.getConnection()
  first.release()
  ;(await second).release()
  expect(events).toEqual(['connection', 'acquire', 'enqueue', 'release', 'acquire', 'release'])
})

test('a callback runs in the async context of its caller', async () => {
  const context = new AsyncLocalStorage<string>()
  const { pool } = open({ connectionLimit: 1 })
  const seen = ['first', 'second'].map(
    (name) =>
      new Promise((resolve) => {
        context.run(name, () =>
          pool.getConnection((_, connection) => {
            resolve(context.getStore())
            setImmediate(() => connection.release())
          }),
        )
      }),
  )
  expect(await Promise.all(seen)).toEqual(['first', 'second'])
})

test('a listener that throws causes an uncaught exception, and the pool keeps working', async () => {
  const pool = open({ connectionLimit: 1 })
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  onTestFinished(() => {
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const uncaught = once(process, 'uncaughtException')
  pool.once('acquire', () => {
    throw new Error('of the listener')
  })
  await pool.query('SELECT 1')
  expect(await uncaught).toMatchObject([{ message: 'of the listener' }, expect.anything()])
  expect(countsOf(pool)).toEqual([1, 1, 0])
})

describe('end', () => {
  test('settles only when the connections are closed', async () => {
    const pool = open()
    const connection = await pool.getConnection()
    const ids = [await sessionId(connection), await sessionId(pool)]
    await pool.end()
    expect(socketOf(connection).closed).toBe(true)
    expect(countsOf(pool)).toEqual([0, 0, 0])
    await expect.poll(() => sessionsAlive(ids)).toEqual([])
  })

  test('returns the same result when it is called again', async () => {
    const pool = open()
    await pool.query('SELECT 1')
    expect(await Promise.all([pool.end(), pool.end()])).toEqual([undefined, undefined])
    expect(await pool.end()).toBeUndefined()
    expect(isClosed(pool)).toBe(true)
  })

  test('waits for the answers to statements of connections that were released', async () => {
    const pool = open()
    const connection = await pool.getConnection()
    const answer = connection.query('SELECT SLEEP(0.2) AS slept')
    connection.release()
    await pool.end()
    expect((await answer)[0]).toEqual([{ slept: 0 }])
  })
})

test.each([
  [{ connectionLimit: -1 }, '`connectionLimit` to be a number of at least 0, got -1'],
  [{ queueLimit: -1 }, '`queueLimit` to be a number of at least 0, got -1'],
  [{ maxIdle: -1 }, '`maxIdle` to be a number of at least 0, got -1'],
  [{ idleTimeout: -1 }, '`idleTimeout` to be a number of at least 0, got -1'],
])('refuses %o', (options, message) => {
  expect(() => createPool(options)).toThrow(message)
})

test('a server that never closes the connection is left after a while', async () => {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  const pool = open(connectionTo({ proxy }))
  await pool.query('SELECT 1')
  await proxy.hold()
  await pool.end()
  expect(countsOf(pool)).toEqual([0, 0, 0])
})
