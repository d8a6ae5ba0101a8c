import type { PoolConnection as CallbackConnection, QueryOptions } from 'mysql2'
import type { Pool, PoolOptions } from 'mysql2/promise'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, openDropIn } from './support/drop-in.ts'
import { rowOf, sessionId } from './support/pools.ts'

// The same as in unread.test.ts, through the drop-in: a connection with an unread answer is never lent again.

const open = (options: PoolOptions = {}): Pool =>
  openDropIn(createPool, { connectionLimit: 1, ...options })

const mine = new Error('mine')
const unreadable = (): QueryOptions => ({
  sql: "SELECT seq, REPEAT('x', 300000) AS x FROM seq_1_to_3",
  typeCast: () => {
    throw mine
  },
})

async function expectOwnAnswers(pool: Pool): Promise<void> {
  for (const n of [7, 8, 9]) expect(await rowOf(pool, `SELECT ${n} AS n`)).toEqual({ n })
  expect(countsOf(pool)).toEqual([1, 1, 0])
}

describe.each([undefined, true])('with compress: %s', (compress) => {
  const options = compress === undefined ? {} : { compress }

  test.each(['query', 'execute'] as const)('`pool.%s`, with promises', async (verb) => {
    const pool = open(options)
    const id = await sessionId(pool)
    const asked = verb === 'query' ? pool.query(unreadable()) : pool.execute(unreadable())
    const next = sessionId(pool)
    await expect(asked).rejects.toBe(mine)
    expect(await next).not.toBe(id)
    await expectOwnAnswers(pool)
  })

  test.each(['query', 'execute'] as const)('`pool.pool.%s`, with callbacks', async (verb) => {
    const pool = open(options)
    const id = await sessionId(pool)
    const errors: unknown[] = []
    await new Promise<void>((resolve) => {
      const told = (error: unknown): void => {
        errors.push(error)
        resolve()
      }
      if (verb === 'query') pool.pool.query(unreadable(), told)
      else pool.pool.execute(unreadable(), told)
    })
    expect(await sessionId(pool)).not.toBe(id)
    await expectOwnAnswers(pool)
    expect(errors).toEqual([mine])
  })

  test('a stream of the pool', async () => {
    const pool = open(options)
    const id = await sessionId(pool)
    const rows = pool.pool.query(unreadable()).stream()
    await expect(rows.toArray()).rejects.toBe(mine)
    expect(await sessionId(pool)).not.toBe(id)
    await expectOwnAnswers(pool)
  })

  test.each(['query', 'execute'] as const)(
    'a connection that is released in the callback of its `%s`, while others wait',
    async (verb) => {
      const pool = open(options)
      const id = await sessionId(pool)
      const waiting = await new Promise<Promise<number>[]>((resolve) => {
        pool.pool.getConnection((_, connection: CallbackConnection) => {
          const waiting = [sessionId(pool), sessionId(pool)]
          const told = (): void => {
            connection.release()
            resolve(waiting)
          }
          if (verb === 'query') connection.query(unreadable(), told)
          else connection.execute(unreadable(), told)
        })
      })
      for (const next of await Promise.all(waiting)) expect(next).not.toBe(id)
      await expectOwnAnswers(pool)
    },
  )

  test('a holder’s next statements are refused, until it releases', async () => {
    const pool = open(options)
    const connection = await pool.getConnection()
    await connection.beginTransaction()
    const together = await Promise.allSettled([
      connection.query(unreadable()),
      connection.query('COMMIT'),
    ])
    expect(together).toMatchObject([{ reason: mine }, { reason: { cause: mine, fatal: true } }])
    expect(await errorOf(connection.commit())).toMatchObject({ cause: mine })
    connection.release()
    await expectOwnAnswers(pool)
  })
})

test('a prepared statement of a holder', async () => {
  const pool = open({
    typeCast: (field, next) => {
      if (field.name === 'x') throw mine
      return next()
    },
  })
  const id = await sessionId(pool)
  const connection = await pool.getConnection()
  const statement = await connection.prepare(unreadable().sql)
  await expect(statement.execute([])).rejects.toBe(mine)
  connection.release()
  expect(await sessionId(pool)).not.toBe(id)
  await expectOwnAnswers(pool)
})

test('a statement of a `connection` listener does not keep the connection from the pool', async () => {
  const pool = open()
  const told: unknown[] = []
  pool.once('connection', (connection) => {
    const core = connection as unknown as CallbackConnection
    core.query(unreadable(), (error) => told.push(error))
  })
  expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ cause: mine })
  expect(told).toEqual([mine])
  await expectOwnAnswers(pool)
})

test('a callback that throws is an uncaught error, and the pool goes on', async () => {
  const pool = open()
  const id = await sessionId(pool)
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const uncaught: unknown[] = []
  process.on('uncaughtException', (error) => uncaught.push(error))
  pool.pool.query('SELECT 1', () => {
    throw mine
  })
  await expect.poll(() => uncaught).toEqual([mine])
  await expectOwnAnswers(pool)
  expect(await sessionId(pool)).toBe(id)
})
