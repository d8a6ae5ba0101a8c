import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Pool as CallbackPool } from 'mysql2'
import type { Pool, PoolOptions } from 'mysql2/promise'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, openDropIn, pools } from './support/drop-in.ts'
import { connectionTo, observe, rowOf, sessionId, sessionsAlive } from './support/pools.ts'

// What a program changes on a pool that is in use.

interface Config {
  connectionLimit: number
  maxIdle: number
  idleTimeout: number
  queueLimit: number
  waitForConnections: boolean
  resetOnRelease: boolean
  connectionConfig: Record<string, unknown>
}

function configOf(pool: Pool): Config {
  return (pool.pool as unknown as { config: Config }).config
}

interface Message {
  readonly reason?: unknown
  readonly error?: unknown
}

function watchChannel(name: string, watch: (message: Message) => unknown): void {
  const listener = (message: unknown): void => void watch(message as Message)
  subscribe(name, listener)
  onTestFinished(() => void unsubscribe(name, listener))
}

describe.each(pools)('%s', (_, create) => {
  const open = (options: PoolOptions = {}): Pool => openDropIn(create, options)

  test('a raised `connectionLimit` applies to the next caller', async () => {
    const pool = open({ connectionLimit: 1 })
    const first = await pool.getConnection()
    configOf(pool).connectionLimit = 2
    const second = await pool.getConnection()
    expect(countsOf(pool)).toEqual([2, 0, 0])
    first.release()
    second.release()
  })

  test('a `connectionLimit` of 0 is no limit, also later', async () => {
    const pool = open({ connectionLimit: 1 })
    configOf(pool).connectionLimit = 0
    const connections = await Promise.all([1, 2, 3].map(() => pool.getConnection()))
    expect(countsOf(pool)).toEqual([3, 0, 0])
    for (const connection of connections) connection.release()
  })

  test('a lowered `connectionLimit` keeps later callers from new connections', async () => {
    const pool = open({ connectionLimit: 3 })
    const first = await pool.getConnection()
    configOf(pool).connectionLimit = 1
    const second = pool.getConnection()
    await expect.poll(() => countsOf(pool)).toEqual([1, 0, 1])
    first.release()
    ;(await second).release()
  })

  test('`waitForConnections` and `queueLimit` may change', async () => {
    const pool = open({ connectionLimit: 1 })
    const config = configOf(pool)
    const held = await pool.getConnection()
    config.waitForConnections = false
    expect((await errorOf(pool.query('SELECT 1'))).message).toBe('No connections available.')
    config.waitForConnections = true
    config.queueLimit = 1
    const waiting = pool.getConnection()
    expect((await errorOf(pool.getConnection())).message).toBe('Queue limit reached.')
    config.queueLimit = 0
    const last = pool.getConnection()
    held.release()
    ;(await waiting).release()
    ;(await last).release()
  })

  test('`maxIdle` and `idleTimeout` may change', async () => {
    const pool = open({ connectionLimit: 3, maxIdle: 2 })
    const connections = await Promise.all([1, 2, 3].map(() => pool.getConnection()))
    for (const connection of connections) connection.release()
    configOf(pool).maxIdle = 1
    await expect.poll(() => countsOf(pool), { timeout: 5_000 }).toEqual([1, 1, 0])
    configOf(pool).idleTimeout = 10
    await expect.poll(() => countsOf(pool), { timeout: 5_000 }).toEqual([0, 0, 0])
  })

  test('`resetOnRelease` may change', async () => {
    const pool = open({ connectionLimit: 1 })
    await pool.query('SET @mine = 1')
    expect(await rowOf(pool, 'SELECT @mine AS n')).toEqual({ n: 1 })
    configOf(pool).resetOnRelease = true
    // mysql2's own tells of no end of the reset.
    for (const _ of [1, 2]) (await pool.getConnection()).release()
    await expect.poll(() => rowOf(pool, 'SELECT @mine AS n')).toEqual({ n: null })
  })

  test('new connections use the connection options as they are now', async () => {
    await observe("CREATE OR REPLACE USER rotated@'%' IDENTIFIED BY 'second'")
    onTestFinished(() => void observe("DROP USER rotated@'%'"))
    const pool = open({ user: 'rotated', password: 'first', database: undefined as never })
    expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ errno: 1045 })
    Object.assign(configOf(pool).connectionConfig, { password: 'second' })
    expect(await rowOf(pool, 'SELECT 1 AS one')).toEqual({ one: 1 })
    configOf(pool).connectionConfig = {
      ...configOf(open()).connectionConfig,
      database: 'information_schema',
      pool: pool.pool,
    }
    const held = await pool.getConnection()
    expect(await rowOf(pool, 'SELECT DATABASE() AS name')).toEqual({ name: 'information_schema' })
    held.release()
  })

  test('the whole `config` may be replaced', async () => {
    const pool = open({ connectionLimit: 1 })
    const held = await pool.getConnection()
    ;(pool.pool as unknown as { config: Config }).config = {
      ...configOf(pool),
      waitForConnections: false,
    }
    expect((await errorOf(pool.getConnection())).message).toBe('No connections available.')
    held.release()
  })

  test('statements of the pool take their connection by `getConnection` of the instance', async () => {
    const pool = open({ connectionLimit: 1 })
    const { pool: callbacks } = pool
    const calls: string[] = []
    const getConnection = callbacks.getConnection.bind(callbacks)
    callbacks.getConnection = (callback) => {
      calls.push('asked')
      setImmediate(() =>
        getConnection((error, connection) => {
          calls.push('got')
          callback(error, connection)
        }),
      )
    }
    await pool.query('SELECT 1')
    await pool.execute('SELECT 1')
    await new Promise((resolve) => callbacks.query('SELECT 1', resolve))
    ;(await pool.getConnection()).release()
    expect(calls).toEqual(['asked', 'got', 'asked', 'got', 'asked', 'got', 'asked', 'got'])
    expect(countsOf(pool)).toEqual([1, 1, 0])
  })

  test('statements of the pool take their connection by `getConnection` of a subclass', async () => {
    const { pool } = open({ connectionLimit: 1 })
    const Base = pool.constructor as new (options: object) => CallbackPool
    const isDropIn = create === createPool
    let asked = 0
    class Traced extends Base {
      override getConnection(callback: Parameters<CallbackPool['getConnection']>[0]): void {
        asked++
        super.getConnection(callback)
      }
    }
    const options = { ...connectionTo(), connectionLimit: 1 }
    const traced = new Traced(isDropIn ? options : { config: { ...configOf(open(options)) } })
    onTestFinished(() => traced.end())
    const promises = traced.promise()
    expect(await rowOf(promises, 'SELECT 1 AS one')).toEqual({ one: 1 })
    ;(await promises.getConnection()).release()
    expect(asked).toBe(2)
  })

  test('a wrapped connection is released to the pool', async () => {
    const pool = open({ connectionLimit: 1 })
    const { pool: callbacks } = pool
    const getConnection = callbacks.getConnection.bind(callbacks)
    callbacks.getConnection = (callback) =>
      getConnection((error, connection) => callback(error, connection && new Proxy(connection, {})))
    await pool.query('SELECT 1')
    const connection = await pool.getConnection()
    pool.releaseConnection(connection)
    expect(countsOf(pool)).toEqual([1, 1, 0])
    await pool.query('SELECT 1')
  })
})

describe('the drop-in', () => {
  const open = (options: PoolOptions = {}): Pool => openDropIn(createPool, options)

  test.each([-1, NaN, 'mysql://u:secret@h'])(
    'refuses a later `connectionLimit` of %s, until it is mended',
    async (limit) => {
      const pool = open({ connectionLimit: 1 })
      configOf(pool).connectionLimit = limit as number
      const error = await errorOf(pool.query('SELECT 1'))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/`connectionLimit`/)
      expect(error.message).not.toContain('secret')
      configOf(pool).connectionLimit = 1
      expect(await rowOf(pool, 'SELECT 1 AS one')).toEqual({ one: 1 })
    },
  )

  test('ends connections beyond a lowered `connectionLimit`', async () => {
    const pool = open({ connectionLimit: 3 })
    const connections = await Promise.all([1, 2, 3].map(() => pool.getConnection()))
    const ids = connections.map(({ threadId }) => threadId)
    for (const connection of connections) connection.release()
    configOf(pool).connectionLimit = 1
    expect(ids).toContain(await sessionId(pool))
    expect(countsOf(pool)[0]).toBe(1)
    await expect.poll(async () => (await sessionsAlive(ids)).length).toBe(1)
  })

  test('ends idle connections as trimmed, and opens the next at once', async () => {
    const ended: unknown[] = []
    const failed: unknown[] = []
    watchChannel('forksafe:destroy', ({ reason }) => ended.push(reason))
    watchChannel('forksafe:create', ({ error }) => error !== undefined && failed.push(error))
    const pool = open({ connectionLimit: 3, maxIdle: 1 })
    const take = (): Promise<unknown> => Promise.all([1, 2, 3].map(() => pool.getConnection()))
    const connections = (await take()) as { release(): void }[]
    for (const connection of connections) connection.release()
    await expect.poll(() => countsOf(pool)).toEqual([1, 1, 0])
    await expect.poll(() => ended).toEqual(['trim', 'trim'])
    const again = (await take()) as { release(): void }[]
    expect(failed).toEqual([])
    for (const connection of again) connection.release()
  })
})
