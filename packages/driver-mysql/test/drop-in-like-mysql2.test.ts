import { tracingChannel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:net'
import mysql, { type PoolConnection as CallbackConnection } from 'mysql2'
import promised, { type Pool, type PoolConnection, type PoolOptions } from 'mysql2/promise'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { countsOf, errorOf, eventsOf, isClosed, openDropIn, pools } from './support/drop-in.ts'
import {
  connectionTo,
  observe,
  running,
  sessionId,
  sessionsAlive,
  table,
  transports,
} from './support/pools.ts'

// The same sentences about mysql2's own pool and about the one that stands in for it.

/** What mysql2 has and does not type. */
const classes = promised as unknown as Record<
  'PromisePool' | 'PromisePoolConnection',
  new () => unknown
>
const coreClasses = mysql as unknown as Record<'Pool' | 'PoolConnection', new () => unknown>

/** What a function calls its callback with. */
function called(run: (callback: (...given: unknown[]) => void) => unknown): Promise<unknown[]> {
  return new Promise((resolve) => void run((...given) => resolve(given)))
}

describe.each(pools)('%s', (_, create) => {
  const open = (options: PoolOptions = {}): Pool => openDropIn(create, options)

  describe('is made', () => {
    test('as a pool of mysql2, over its pool with callbacks', () => {
      const pool = open()
      expect(pool).toBeInstanceOf(classes.PromisePool)
      expect(pool.constructor.name).toBe('PromisePool')
      expect(pool.pool).toBeInstanceOf(coreClasses.Pool)
      expect(pool.pool.constructor.name).toBe('Pool')
      expect(countsOf(pool)).toEqual([0, 0, 0])
    })

    test("with mysql2's defaults", () => {
      expect(open().pool.config).toMatchObject({
        connectionLimit: 10,
        maxIdle: 10,
        idleTimeout: 60_000,
        queueLimit: 0,
        waitForConnections: true,
        resetOnRelease: false,
        connectionConfig: { enableKeepAlive: true, connectTimeout: 10_000, gracefulEnd: false },
      })
    })

    test('by a connection URI, its options behind the question mark', async () => {
      const { host, port, user, password = '', database } = connectionTo()
      const uri = `mysql://${user}:${password}@${host}:${port}/${database}?connectionLimit=1`
      for (const given of [uri, { uri }]) {
        const pool = create(given as string)
        onTestFinished(() => pool.end())
        const [[row]] = await pool.query<mysql.RowDataPacket[]>('SELECT DATABASE() AS name')
        expect(row).toEqual({ name: database })
      }
      const pool = create(uri)
      expect(pool.pool.config.connectionLimit).toBe(1)
      await pool.end()
    })

    test('with numbers as text, from the environment', async () => {
      const pool = open({ connectionLimit: '1' as never, queueLimit: '1' as never })
      const connection = await pool.getConnection()
      const waiting = pool.getConnection()
      expect((await errorOf(pool.getConnection())).message).toBe('Queue limit reached.')
      connection.release()
      ;(await waiting).release()
    })

    test('with a warning of an option that there is not', () => {
      const told = vi.spyOn(console, 'error').mockReturnValue(undefined)
      onTestFinished(() => told.mockRestore())
      open({ limit: 3 } as object)
      expect(told).toHaveBeenCalledWith(expect.stringContaining('to Connection: limit.'))
    })

    test('but not of options that are wrong', () => {
      expect(() => create({ charset: 'klingon' })).toThrow(
        new TypeError("Unknown charset 'klingon'"),
      )
      expect(() => create({ ssl: 'klingon' })).toThrow("Unknown SSL profile 'klingon'")
    })
  })

  describe('getConnection', () => {
    test('gives a connection, by promise', async () => {
      const pool = open()
      const connection = await pool.getConnection()
      expect(connection).toBeInstanceOf(classes.PromisePoolConnection)
      expect(connection.connection).toBeInstanceOf(coreClasses.PoolConnection)
      expect((await connection.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
      expect(countsOf(pool)).toEqual([1, 0, 0])
      expect(connection.release()).toBeUndefined()
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('gives a connection, by callback', async () => {
      const pool = open()
      const [error, connection] = await called((done) => pool.pool.getConnection(done))
      expect(error).toBeNull()
      expect(connection).toBeInstanceOf(coreClasses.PoolConnection)
      ;(connection as CallbackConnection).release()
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('gives the connection that came back last', async () => {
      const pool = open()
      const [first, second] = await Promise.all([pool.getConnection(), pool.getConnection()])
      second.release()
      first.release()
      const next = await pool.getConnection()
      expect(next.threadId).toBe(first.threadId)
      next.release()
    })

    test('waits where `connectionLimit` are lent, in the order of the calls', async () => {
      const pool = open({ connectionLimit: 1 })
      const connection = await pool.getConnection()
      const served: number[] = []
      const waiting = [1, 2, 3].map(async (number) => {
        const next = await pool.getConnection()
        served.push(number)
        next.release()
      })
      expect(countsOf(pool)).toEqual([1, 0, 3])
      connection.release()
      await Promise.all(waiting)
      expect(served).toEqual([1, 2, 3])
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('opens as many as there are callers, with a `connectionLimit` of 0', async () => {
      const pool = open({ connectionLimit: 0 })
      const connections = await Promise.all(Array.from({ length: 12 }, () => pool.getConnection()))
      expect(countsOf(pool)).toEqual([12, 0, 0])
      for (const connection of connections) connection.release()
    })

    test('refuses at once where nobody waits, without `waitForConnections`', async () => {
      const pool = open({ connectionLimit: 1, waitForConnections: false })
      const connection = await pool.getConnection()
      expect((await errorOf(pool.getConnection())).message).toBe('No connections available.')
      expect((await errorOf(pool.query('SELECT 1'))).message).toBe('No connections available.')
      const [error] = await called((done) => pool.pool.getConnection(done))
      expect(error).toMatchObject({ message: 'No connections available.' })
      connection.release()
      ;(await pool.getConnection()).release()
    })

    test('refuses who would wait behind `queueLimit` others, and not who gets a connection', async () => {
      const pool = open({ connectionLimit: 2, queueLimit: 1 })
      const calls = [1, 2, 3].map(() => pool.getConnection())
      expect((await errorOf(pool.getConnection())).message).toBe('Queue limit reached.')
      for (const call of calls) (await call).release()
    })

    test("gives a server's error itself, to each caller one of its own", async () => {
      const pool = open({ connectionLimit: 1, database: 'missing' })
      const errors = await Promise.all([1, 2, 3].map(() => errorOf(pool.query('SELECT 1'))))
      for (const error of errors) {
        expect(error).toMatchObject({
          code: 'ER_BAD_DB_ERROR',
          errno: 1049,
          message: "Unknown database 'missing'",
        })
      }
      expect(new Set(errors).size).toBe(3)
      const [error, connection] = await called((done) => pool.pool.getConnection(done))
      expect(error).toMatchObject({ code: 'ER_BAD_DB_ERROR' })
      expect(connection).toBeUndefined()
      expect(countsOf(pool)).toEqual([0, 0, 0])
    })

    test('gives up on a server that is silent after `connectTimeout`', async () => {
      const silent = createServer(() => undefined).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      onTestFinished(() => void silent.close())
      const { port } = silent.address() as { port: number }
      const pool = open({ host: '127.0.0.1', port, connectTimeout: 50 })
      expect(await errorOf(pool.getConnection())).toMatchObject({
        code: 'ETIMEDOUT',
        message: 'connect ETIMEDOUT',
      })
      expect(countsOf(pool)).toEqual([0, 0, 0])
    })

    test('reports an error of its callback as an uncaught exception', async () => {
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      onTestFinished(() => {
        for (const listener of listeners) process.on('uncaughtException', listener)
      })
      const pool = open()
      const connection = await pool.getConnection()
      connection.release()
      const uncaught = once(process, 'uncaughtException')
      pool.pool.getConnection((_, connection) => {
        connection.release()
        throw new Error('of the callback')
      })
      expect(await uncaught).toMatchObject([{ message: 'of the callback' }, expect.anything()])
    })

    test('is reported on the tracing channel', async () => {
      const { host, port, database } = connectionTo()
      const seen: unknown[] = []
      const channel = tracingChannel('mysql2:pool:connect')
      const subscribers = {
        start: (context: object) => void seen.push({ ...context }),
        end: () => undefined,
        asyncStart: () => undefined,
        asyncEnd: () => void seen.push('end'),
        error: ({ error }: { error: unknown }) => void seen.push(error),
      }
      channel.subscribe(subscribers)
      onTestFinished(() => channel.unsubscribe(subscribers))
      const pool = open()
      ;(await pool.getConnection()).release()
      const told = { database, serverAddress: host, serverPort: port }
      expect(seen).toEqual([expect.objectContaining(told), 'end'])
      await pool.end()
      const error = await errorOf(pool.getConnection())
      expect(seen).toEqual(expect.arrayContaining([error]))
    })
  })

  describe('release', () => {
    test('a second time does nothing', async () => {
      const pool = open()
      const connection = await pool.getConnection()
      connection.release()
      connection.release()
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('is also a method of the pool', async () => {
      const pool = open()
      const connection = await pool.getConnection()
      pool.releaseConnection(connection)
      expect(countsOf(pool)).toEqual([1, 1, 0])
      const [, core] = await called((done) => pool.pool.getConnection(done))
      pool.pool.releaseConnection(core as CallbackConnection)
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('comes with `await using`', async () => {
      const pool = open()
      {
        await using connection = await pool.getConnection()
        await connection.query('SELECT 1')
        expect(countsOf(pool)).toEqual([1, 0, 0])
      }
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('keeps what a statement has set, and what was prepared', async () => {
      const pool = open({ connectionLimit: 1 })
      await pool.query("SET @mine = 'yes', SESSION lock_wait_timeout = 7")
      await pool.query('SET ROLE NONE')
      await pool.execute('SELECT ?', [1])
      const [rows] = await pool.query('SELECT @mine AS mine, @@lock_wait_timeout AS timeout')
      expect(rows).toEqual([{ mine: 'yes', timeout: 7 }])
      await pool.execute('SELECT ?', [1])
      const [status] = await pool.query("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'")
      expect(status).toEqual([{ Variable_name: 'Com_stmt_prepare', Value: '1' }])
    })

    test('undoes what a statement has set, with `resetOnRelease`', async () => {
      const pool = open({ connectionLimit: 1, resetOnRelease: true })
      const id = await sessionId(pool)
      await pool.query("SET @mine = 'yes', SESSION lock_wait_timeout = 7")
      const [rows] = await pool.query('SELECT @mine AS mine, @@lock_wait_timeout = 7 AS kept')
      expect(rows).toEqual([{ mine: null, kept: 0 }])
      expect(await sessionId(pool)).toBe(id)
    })

    test('may come before the answer', async () => {
      const pool = open({ connectionLimit: 1 })
      const connection = await pool.getConnection()
      const answer = connection.query('SELECT SLEEP(0.2) AS slept')
      connection.release()
      expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
      expect((await answer)[0]).toEqual([{ slept: 0 }])
    })
  })

  describe('destroy', () => {
    test('ends the connection, and makes room', async () => {
      const pool = open({ connectionLimit: 1 })
      const connection = await pool.getConnection()
      const id = await sessionId(connection)
      const next = pool.getConnection()
      connection.destroy()
      expect(await sessionId(await next)).not.toBe(id)
      await expect.poll(() => sessionsAlive([id])).toEqual([])
      expect(() => connection.release()).not.toThrow()
      expect(countsOf(pool)).toEqual([1, 0, 0])
      ;(await next).release()
    })

    test('ends an idle connection, too', async () => {
      const pool = open()
      const connection = await pool.getConnection()
      const id = await sessionId(connection)
      connection.release()
      connection.destroy()
      await expect.poll(() => sessionsAlive([id])).toEqual([])
      await expect.poll(() => countsOf(pool)).toEqual([0, 0, 0])
    })

    test('refuses the next statement', async () => {
      const connection = await open().getConnection()
      connection.destroy()
      expect((await errorOf(connection.query('SELECT 1'))).message).toBe(
        "Can't add new command when connection is in closed state",
      )
    })
  })

  describe("a connection's own end", () => {
    test('releases, with a warning', async () => {
      const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined)
      onTestFinished(() => warned.mockRestore())
      const pool = open()
      const connection = await pool.getConnection()
      await connection.end()
      expect(warned).toHaveBeenCalledWith(expect.stringContaining('Use conn.release() instead.'))
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('ends it after its answers, with `gracefulEnd`', async () => {
      const pool = open({ connectionLimit: 1, gracefulEnd: true })
      const connection = await pool.getConnection()
      const id = await sessionId(connection)
      const answer = connection.query('SELECT SLEEP(0.1) AS slept')
      await connection.end()
      expect((await answer)[0]).toEqual([{ slept: 0 }])
      await expect.poll(() => sessionsAlive([id])).toEqual([])
      expect(await sessionId(pool)).not.toBe(id)
    })
  })

  describe.each(['query', 'execute'] as const)('%s', (name) => {
    // What they take is the same, and their types do not say so.
    const verb = name as 'query'

    test('answers by promise: text, values, and options', async () => {
      const pool = open()
      expect((await pool[verb]('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
      const [rows, fields] = await pool[verb]('SELECT ? AS name', ['sidorares'])
      expect(rows).toEqual([{ name: 'sidorares' }])
      expect(fields).toMatchObject([{ name: 'name' }])
      const options = { sql: 'SELECT ? AS name', values: ['x'], rowsAsArray: true }
      expect((await pool[verb](options))[0]).toEqual([['x']])
      const { values: _, ...rest } = options
      expect((await pool[verb](rest, ['y']))[0]).toEqual([['y']])
      const named = { sql: 'SELECT :name AS name', values: { name: 'z' }, namedPlaceholders: true }
      expect((await pool[verb](named))[0]).toEqual([{ name: 'z' }])
      expect(countsOf(pool)).toEqual([1, 1, 0])
    })

    test('answers by callback: text, values, and options', async () => {
      const { pool } = open()
      const ask = (...question: unknown[]): Promise<unknown[]> =>
        called((done) => (pool[verb] as (...given: unknown[]) => unknown)(...question, done))
      pool[verb] = pool[verb].bind(pool) as never
      const answer = [null, [{ name: 'x' }], expect.anything()]
      expect(await ask("SELECT 'x' AS name")).toEqual(answer)
      expect(await ask('SELECT ? AS name', ['x'])).toEqual(answer)
      expect(await ask({ sql: 'SELECT ? AS name', values: ['x'] })).toEqual(answer)
      expect(await ask({ sql: 'SELECT ? AS name' }, ['x'])).toEqual(answer)
      const [error, rows] = await ask('SELECT nothing')
      expect(error).toMatchObject({ code: 'ER_BAD_FIELD_ERROR', errno: 1054 })
      expect(rows).toBeUndefined()
    })

    test('returns what a statement has changed', async () => {
      const name = await table(`drop_in_${verb}_${create.name}`)
      const [header] = await open()[verb](`INSERT INTO ${name} VALUES (1), (2)`)
      expect(header).toMatchObject({ affectedRows: 2, insertId: 0 })
      expect(header.constructor.name).toBe('ResultSetHeader')
    })

    test('refuses a callback where there are promises', () => {
      const pool = open() as unknown as Record<string, (...given: unknown[]) => unknown>
      expect(() => pool[verb]?.('SELECT 1', () => undefined)).toThrow(
        new Error('Callback function is not available with promise clients.'),
      )
    })

    test("gives the server's error, traced back to whoever asked, and goes on", async () => {
      const pool = open({ connectionLimit: 1 })
      const id = await sessionId(pool)
      async function whoAsked(): Promise<void> {
        await pool[verb]('SELECT nothing')
      }
      const error = await errorOf(whoAsked())
      expect(error).toMatchObject({ code: 'ER_BAD_FIELD_ERROR', sqlState: '42S22' })
      expect(error.stack).toContain('whoAsked')
      expect(await sessionId(pool)).toBe(id)
    })

    test('rejects when its connection is lost, and the next one gets another', async () => {
      const pool = open({ connectionLimit: 1 })
      const id = await sessionId(pool)
      const sleeping = errorOf(pool[verb](`SELECT SLEEP(60) AS ${create.name}_${verb}`))
      await expect.poll(() => running(`${create.name}_${verb}`)).toBe(1)
      await observe(`KILL CONNECTION ${id}`)
      expect(await sleeping).toMatchObject({ fatal: true })
      expect(await sessionId(pool)).not.toBe(id)
    })
  })

  describe('query', () => {
    test('gives a stream of rows, by callback', async () => {
      const { pool } = open({ connectionLimit: 1 })
      const stream = pool.query('SELECT 1 AS n UNION SELECT 2').stream()
      const rows: unknown[] = []
      for await (const row of stream) rows.push(row)
      expect(rows).toEqual([{ n: 1 }, { n: 2 }])
      expect((await pool.promise().query('SELECT 3 AS n'))[0]).toEqual([{ n: 3 }])
    })

    test('gives several answers to several statements', async () => {
      const pool = open({ multipleStatements: true })
      expect((await pool.query('SELECT 1 AS n; SELECT 2 AS n'))[0]).toEqual([
        [{ n: 1 }],
        [{ n: 2 }],
      ])
    })

    test('refuses values that cannot be, and gives its connection back', async () => {
      const pool = open({ connectionLimit: 1 })
      const error = await errorOf(pool.execute('SELECT ?', [undefined as never]))
      expect(error.message).toContain('Bind parameters must not contain undefined')
      expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
    })

    test('ends a connection to a server that has become read-only', async () => {
      const pool = open({ connectionLimit: 1 })
      const name = await table(`drop_in_read_only_${create.name}`)
      await pool.query('SET SESSION TRANSACTION READ ONLY')
      const id = await sessionId(pool)
      const error = await errorOf(pool.query(`INSERT INTO ${name} VALUES (1)`))
      expect(error).toMatchObject({ errno: 1792 })
      expect(await sessionId(pool)).not.toBe(id)
    })
  })

  describe('a transaction', () => {
    test('is committed and rolled back by its connection', async () => {
      const pool = open({ connectionLimit: 2 })
      const name = await table(`drop_in_transaction_${create.name}`)
      const connection = await pool.getConnection()
      await connection.beginTransaction()
      await connection.query(`INSERT INTO ${name} VALUES (1)`)
      expect((await pool.query(`SELECT * FROM ${name}`))[0]).toEqual([])
      await connection.commit()
      await connection.beginTransaction()
      await connection.query(`INSERT INTO ${name} VALUES (2)`)
      await connection.rollback()
      connection.release()
      expect((await pool.query(`SELECT * FROM ${name}`))[0]).toEqual([{ n: 1 }])
    })
  })

  describe('events', () => {
    test("tell of a connection's life in its order", async () => {
      const pool = open({ connectionLimit: 1 })
      const events = eventsOf(pool)
      const connection = await pool.getConnection()
      expect(events).toEqual(['connection', 'acquire'])
      const next = pool.getConnection()
      expect(events.slice(2)).toEqual(['enqueue'])
      connection.release()
      ;(await next).release()
      events.length = 0
      await pool.query('SELECT 1')
      expect(events).toEqual(['acquire', 'release'])
    })

    test('come with the connection, which has callbacks', async () => {
      const pool = open()
      const given: Record<string, unknown[]> = {}
      for (const event of ['connection', 'acquire', 'release'] as const) {
        pool.on(event as 'acquire', (...details: unknown[]) => {
          given[event] = details
        })
      }
      const connection = await pool.getConnection()
      connection.release()
      const core = [connection.connection]
      expect(given).toEqual({ connection: core, acquire: core, release: core })
    })

    test('`connection` may do something with it before its first holder does', async () => {
      const pool = open({ connectionLimit: 1 })
      pool.on('connection', (connection) => void connection.query("SET @greeted = 'yes'"))
      for (let n = 0; n < 2; n++) {
        expect((await pool.query('SELECT @greeted AS greeted'))[0]).toEqual([{ greeted: 'yes' }])
      }
    })

    test('are the same for the pool with callbacks', async () => {
      const pool = open()
      const told: unknown[] = []
      pool.pool.on('acquire', (connection) => told.push(connection))
      const connection: PoolConnection = await pool.getConnection()
      expect(told).toEqual([connection.connection])
      connection.release()
    })

    test('of a failed connect are none', async () => {
      const pool = open({ database: 'missing' })
      const events = eventsOf(pool)
      await errorOf(pool.getConnection())
      expect(events).toEqual([])
    })
  })

  describe('maxIdle', () => {
    test('keeps no more idle than that, for longer than a second', async () => {
      const pool = open({ connectionLimit: 3, maxIdle: 1 })
      const connections = await Promise.all([1, 2, 3].map(() => pool.getConnection()))
      for (const connection of connections) connection.release()
      expect(countsOf(pool)).toEqual([3, 3, 0])
      await expect.poll(() => countsOf(pool)).toEqual([1, 1, 0])
      // The one that came back last.
      const left = await pool.getConnection()
      expect(left.threadId).toBe(connections[2]?.threadId)
      left.release()
    })

    test('ends the rest after `idleTimeout`', async () => {
      const pool = open({ connectionLimit: 3, maxIdle: 2, idleTimeout: 100, gracefulEnd: true })
      const id = await sessionId(pool)
      expect(countsOf(pool)).toEqual([1, 1, 0])
      await expect.poll(() => countsOf(pool)).toEqual([0, 0, 0])
      await expect.poll(() => sessionsAlive([id])).toEqual([])
    })
  })

  describe('end', () => {
    test('ends every connection, by promise', async () => {
      const pool = open()
      const id = await sessionId(pool)
      expect(await pool.end()).toBeUndefined()
      await expect.poll(() => sessionsAlive([id])).toEqual([])
      expect(isClosed(pool)).toBe(true)
    })

    test('ends by callback, and without one', async () => {
      const pool = open()
      const id = await sessionId(pool)
      await called((done) => pool.pool.end(done))
      await expect.poll(() => sessionsAlive([id])).toEqual([])
      const unused = open()
      expect(unused.pool.end()).toBeUndefined()
      expect(isClosed(unused)).toBe(true)
    })

    test('comes with `await using`, and after an end does nothing', async () => {
      let ended: Pool
      {
        await using pool = open()
        ended = pool
        await pool.query('SELECT 1')
      }
      expect(isClosed(ended)).toBe(true)
      {
        using pool = ended.pool
        expect(isClosed(ended)).toBe(pool === ended.pool)
      }
    })

    test('waits for pending answers, and not for holders of a connection', async () => {
      const pool = open()
      const connection = await pool.getConnection()
      const answers = Promise.all([
        connection.query('SELECT SLEEP(0.2) AS slept'),
        connection.query('SELECT 2 AS two'),
      ])
      await pool.end()
      const [[slept], [two]] = await answers
      expect(slept).toEqual([{ slept: 0 }])
      expect(two).toEqual([{ two: 2 }])
      expect((await errorOf(connection.query('SELECT 1'))).message).toContain('closed state')
      expect(() => connection.release()).not.toThrow()
    })

    test('rejects callers that wait, whose connection is being opened, or that come later', async () => {
      const pool = open({ connectionLimit: 1 })
      const connection = await pool.getConnection()
      const waiting = errorOf(pool.getConnection())
      const asking = errorOf(pool.query('SELECT 1'))
      const ending = pool.end()
      expect((await waiting).message).toBe('Pool is closed.')
      expect((await asking).message).toBe('Pool is closed.')
      expect((await errorOf(pool.getConnection())).message).toBe('Pool is closed.')
      expect((await errorOf(pool.execute('SELECT 1'))).message).toBe('Pool is closed.')
      connection.release()
      await ending
      const fresh = open()
      const connecting = errorOf(fresh.getConnection())
      void fresh.end()
      expect((await connecting).message).toBe('Pool is closed.')
    })
  })

  describe('has', () => {
    test('`format`, `escape` and `escapeId`, by its options', () => {
      const pool = open({ timezone: 'Z', stringifyObjects: true })
      for (const on of [pool, pool.pool]) {
        expect(on.format('SELECT ?? = ?', ['a.b', "it's"])).toBe("SELECT `a`.`b` = 'it\\'s'")
        expect(on.escape(new Date(0))).toBe("'1970-01-01 00:00:00.000'")
        expect(on.escape({ toString: () => 'text' })).toBe("'text'")
        expect(on.escapeId('a.b')).toBe('`a`.`b`')
      }
    })

    test('`promise()`, on its callback side: a pool with promises again', async () => {
      class Mine<T> extends Promise<T> {}
      const { pool } = open()
      expect(pool.promise().pool).toBe(pool)
      const asking = pool.promise(Mine as unknown as PromiseConstructor).query('SELECT 1')
      expect(asking).toBeInstanceOf(Mine)
      await asking
    })

    test('`Promise`, an option: the class of its promises', async () => {
      class Mine<T> extends Promise<T> {}
      const told = vi.spyOn(console, 'error').mockReturnValue(undefined)
      onTestFinished(() => told.mockRestore())
      const pool = open({ Promise: Mine })
      const connecting = pool.getConnection()
      expect(connecting).toBeInstanceOf(Mine)
      ;(await connecting).release()
      expect(pool.end()).toBeInstanceOf(Mine)
    })

    test('connections whose `config` opens another connection', async () => {
      const pool = open()
      await using connection = await pool.getConnection()
      // As Kysely does, to cancel a statement.
      const {
        clientFlags: _,
        maxPacketSize: __,
        ...config
      } = connection.config as PoolOptions & {
        clientFlags: unknown
        maxPacketSize: unknown
      }
      const other = mysql.createConnection({ ...config, pool: undefined } as object)
      const id = await sessionId(other.promise())
      expect(id).not.toBe(await sessionId(connection))
      other.destroy()
      expect(await sessionId(connection)).not.toBe(id)
    })
  })

  test.each(transports)('connects over %s', async (transport) => {
    const pool = create({ ...connectionTo({ transport }) })
    onTestFinished(() => pool.end())
    const [[cipher]] = await pool.query<mysql.RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'")
    expect(cipher?.['Value'] !== '').toBe(transport === 'TLS')
  })

  test('accepts a `stream`', async () => {
    const { connect } = await import('node:net')
    const made: unknown[] = []
    const stream = ({ config }: { config: { host: string; port: number } }): unknown => {
      made.push(config.port)
      return connect(config.port, config.host)
    }
    const pool = open({ stream })
    expect((await pool.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }])
    expect(made).toEqual([connectionTo().port])
  })

  test('an idle connection holds the process open', async () => {
    await using connection = await open().getConnection()
    connection.release()
    const { _handle: handle } = Reflect.get(connection.connection, 'stream') as {
      _handle: { hasRef(): boolean }
    }
    expect(handle.hasRef()).toBe(true)
  })
})
