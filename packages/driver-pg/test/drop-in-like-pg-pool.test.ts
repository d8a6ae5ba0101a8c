import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import pg, { Client, Query, type PoolClient } from 'pg'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { errorOf, eventsOf, openPool, pidOf, pools } from './support/drop-in.ts'
import { observe, role, sessionsAlive } from './support/pools.ts'

// The same sentences about pg's own pool and about the one that stands in for it.

/** As long as a connect may take on a busy machine, in milliseconds. */
const IN_TIME = 1_000

/** A server that takes connections and never says a word. */
async function silentServer(): Promise<number> {
  const server: Server = createServer(() => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe.each(pools)('%s', (_, Pool) => {
  const open = (config = {}): pg.Pool => openPool(Pool, config)

  describe('is made', () => {
    test("as a pg.Pool and an emitter of events, with pg-pool's defaults", () => {
      const pool = open()
      expect(pool).toBeInstanceOf(pg.Pool)
      expect(pool.options).toMatchObject({
        max: 10,
        min: 0,
        maxUses: Infinity,
        allowExitOnIdle: false,
        maxLifetimeSeconds: 0,
        idleTimeoutMillis: 10_000,
      })
      expect(pool).toMatchObject({
        totalCount: 0,
        idleCount: 0,
        waitingCount: 0,
        expiredCount: 0,
        ending: false,
        ended: false,
        Client,
        Promise,
      })
    })

    test('without options: the environment says where the server is', async () => {
      const { host, port, user, database } = open().options
      vi.stubEnv('PGHOST', String(host))
      vi.stubEnv('PGPORT', String(port))
      vi.stubEnv('PGUSER', String(user))
      vi.stubEnv('PGDATABASE', String(database))
      const pool = new Pool()
      expect((await pool.query('SELECT current_user AS name')).rows).toEqual([{ name: user }])
      await pool.end()
    })

    test('with `max` as text, and with `poolSize` for `max`', async () => {
      expect(open({ max: '3' }).options.max).toBe('3')
      expect(open({ poolSize: 4 }).options.max).toBe(4)
      const pool = open({ max: '1' })
      const client = await pool.connect()
      const next = pool.connect()
      expect(pool).toMatchObject({ totalCount: 1, waitingCount: 1 })
      client.release()
      ;(await next).release()
    })

    test('with a password and a private key that are not shown', () => {
      const { options } = open({ password: 'secret', ssl: { key: 'private' } })
      expect(options.password).toBe('secret')
      expect(Object.keys(options)).not.toContain('password')
      expect(Object.keys(options.ssl as object)).not.toContain('key')
    })

    test('without a connection: `min` opens nothing ahead of need', async () => {
      const pool = open({ min: 2 })
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(pool.totalCount).toBe(0)
    })
  })

  describe('connect', () => {
    test('returns a client by promise', async () => {
      const pool = open()
      const client = await pool.connect()
      expect(client).toBeInstanceOf(Client)
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      expect(client.release()).toBeUndefined()
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test('passes a client and its release to a callback', async () => {
      const pool = open()
      const [error, client, done] = await new Promise<unknown[]>((resolve) => {
        expect(pool.connect((...given) => resolve(given))).toBeUndefined()
      })
      expect(error).toBeUndefined()
      expect(client).toBeInstanceOf(Client)
      expect(client).toHaveProperty('release', done)
      ;(done as () => void)()
      expect(pool.idleCount).toBe(1)
    })

    test('lends the client that was released last', async () => {
      const pool = open()
      const [first, second] = await Promise.all([pool.connect(), pool.connect()])
      second.release()
      first.release()
      const next = await pool.connect()
      expect(next).toBe(first)
      next.release()
    })

    test('waits where all `max` are lent, in the order of the calls', async () => {
      const pool = open({ max: 1 })
      const client = await pool.connect()
      const served: number[] = []
      const waiting = [1, 2, 3].map(async (number) => {
        const next = await pool.connect()
        served.push(number)
        next.release()
      })
      expect(pool).toMatchObject({ totalCount: 1, waitingCount: 3, idleCount: 0 })
      client.release()
      await Promise.all(waiting)
      expect(served).toEqual([1, 2, 3])
      expect(pool).toMatchObject({ totalCount: 1, waitingCount: 0, idleCount: 1 })
    })

    test('counts whoever a client is opened for by that client, and not as waiting', async () => {
      const pool = open({ max: 2 })
      const connecting = [pool.connect(), pool.connect(), pool.connect()]
      expect(pool).toMatchObject({ totalCount: 2, waitingCount: 1, idleCount: 0 })
      for (const next of connecting) void next.then((client) => client.release())
      await Promise.all(connecting)
    })

    test("gives an error's own self, and by callback a `done` to call", async () => {
      const pool = open({ database: 'missing' })
      const error = await errorOf(pool.connect())
      expect(error).toMatchObject({ code: '3D000' })
      expect(error.message).toBe('database "missing" does not exist')
      const [again, client, done] = await new Promise<unknown[]>((resolve) => {
        pool.connect((...given) => resolve(given))
      })
      expect(again).toMatchObject({ code: '3D000' })
      expect(client).toBeUndefined()
      expect((done as () => void)()).toBeUndefined()
      expect(pool).toMatchObject({ totalCount: 0, waitingCount: 0 })
    })

    test('tries anew for each who waits, while the server refuses', async () => {
      const pool = open({ max: 1, port: 1 })
      const errors = await Promise.all([1, 2, 3].map(() => errorOf(pool.query('SELECT 1'))))
      for (const error of errors) expect(error).toMatchObject({ code: 'ECONNREFUSED' })
      expect(new Set(errors).size).toBe(3)
      expect(pool.totalCount).toBe(0)
    })

    test('has a stack that leads to the caller', async () => {
      const pool = open({ port: 1 })
      async function whoAsked(): Promise<void> {
        await pool.query('SELECT 1')
      }
      expect((await errorOf(whoAsked())).stack).toContain('whoAsked')
    })
  })

  describe('connectionTimeoutMillis', () => {
    test('ends the wait for a client', async () => {
      const pool = open({ max: 1, connectionTimeoutMillis: IN_TIME })
      const client = await pool.connect()
      expect((await errorOf(pool.connect())).message).toBe(
        'timeout exceeded when trying to connect',
      )
      const [error] = await new Promise<unknown[]>((resolve) => {
        pool.connect((...given) => resolve(given))
      })
      expect(error).toMatchObject({ message: 'timeout exceeded when trying to connect' })
      expect(pool.waitingCount).toBe(0)
      client.release()
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })

    test('ends a connect to a server that is silent', async () => {
      const pool = open({ port: await silentServer(), connectionTimeoutMillis: 50 })
      const error = await errorOf(pool.connect())
      expect(error.message).toBe('Connection terminated due to connection timeout')
      expect(error.cause).toMatchObject({ message: 'Connection terminated unexpectedly' })
      expect(pool.totalCount).toBe(0)
    })

    test('serves the next caller', async () => {
      const pool = open({ max: 1, connectionTimeoutMillis: IN_TIME })
      const client = await pool.connect()
      await errorOf(pool.connect())
      client.release()
      ;(await pool.connect()).release()
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test('does not limit the duration of a query', async () => {
      const pool = open({ connectionTimeoutMillis: IN_TIME })
      await expect(pool.query('SELECT pg_sleep(1.2)')).resolves.toMatchObject({ rowCount: 1 })
    })
  })

  describe('release', () => {
    test('a second time throws', async () => {
      const client = await open().connect()
      client.release()
      expect(() => client.release()).toThrow(
        new Error('Release called on client which has already been released to the pool.'),
      )
      expect(() => client.release(true)).toThrow('already been released')
    })

    test('a second time throws also when the client is lent again', async () => {
      const pool = open({ max: 1 })
      const client = await pool.connect()
      const release: () => void = Reflect.get(client, 'release')
      release()
      const again = await pool.connect()
      expect(again).toBe(client)
      expect(() => release()).toThrow('already been released')
      expect(pool.idleCount).toBe(0)
      again.release()
    })

    test.each([true, new Error('broken')])('with %s ends the connection', async (broken) => {
      const pool = open()
      const client = await pool.connect()
      const pid = await pidOf(client)
      client.release(broken)
      expect(pool).toMatchObject({ totalCount: 0, idleCount: 0 })
      await expect.poll(() => sessionsAlive([pid])).toEqual([])
    })

    test('leaves a query that its holder did not wait for to its end, and the next one waits', async () => {
      const pool = open({ max: 1 })
      const client = await pool.connect()
      const pid = await pidOf(client)
      // Longer than a rollback may take.
      const late = client.query("SELECT pg_sleep(2.5), 'late' AS which")
      client.release()
      const next = pool.query("SELECT pg_backend_pid() AS pid, 'next' AS which")
      expect((await late).rows).toMatchObject([{ which: 'late' }])
      expect((await next).rows).toEqual([{ pid, which: 'next' }])
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test('ends a connection that its holder has ended', async () => {
      const pool = open()
      const client = await pool.connect()
      await client.end()
      client.release()
      expect(pool).toMatchObject({ totalCount: 0, idleCount: 0 })
    })

    test('makes room for a waiting caller', async () => {
      const pool = open({ max: 1 })
      const client = await pool.connect()
      const next = pool.connect()
      client.release(true)
      expect(await next).not.toBe(client)
      ;(await next).release()
    })
  })

  describe('query', () => {
    test('answers by promise', async () => {
      const pool = open()
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      expect((await pool.query('SELECT $1::text AS name', ['brianc'])).rows).toEqual([
        { name: 'brianc' },
      ])
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test('answers by callback, with values and without', async () => {
      const pool = open()
      const ask = (...question: unknown[]): Promise<unknown[]> =>
        new Promise((resolve) => {
          const query = pool.query.bind(pool) as (...given: unknown[]) => unknown
          expect(query(...question, (...answer: unknown[]) => resolve(answer))).toBeUndefined()
        })
      const answer = [undefined, expect.objectContaining({ rows: [{ name: 'brianc' }] })]
      expect(await ask('SELECT $1::text AS name', ['brianc'])).toEqual(answer)
      expect(await ask("SELECT 'brianc' AS name")).toEqual(answer)
      const [error, result] = await ask('SELECT nothing')
      expect(error).toMatchObject({ code: '42703' })
      expect(result).toBeUndefined()
    })

    test('accepts a config', async () => {
      const pool = open()
      const config = { name: 'sum', text: 'SELECT $1::int + 1', values: [1], rowMode: 'array' }
      expect((await pool.query(config as pg.QueryArrayConfig)).rows).toEqual([[2]])
    })

    test('accepts a query object', async () => {
      const pool = open({ max: 1 })
      const rows: unknown[] = []
      const query = new Query('SELECT 1 AS one')
      query.on('row', (row) => rows.push(row))
      // pg types it as the query itself, and gives a promise.
      const result = await (pool.query(query) as unknown as Promise<pg.QueryResult>)
      expect(result.rows).toEqual([{ one: 1 }])
      expect(rows).toEqual([{ one: 1 }])
      expect(pool.idleCount).toBe(1)
    })

    test('rejects with the error of the server, and keeps working', async () => {
      const pool = open({ max: 1 })
      const errors = await Promise.all(
        [1, 2, 3].map(() => errorOf(pool.query('SELECT asldkfjasldkf'))),
      )
      for (const error of errors) expect(error).toMatchObject({ code: '42703' })
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })

    test('refuses a function in the place of a query, by calling it', async () => {
      const pool = open()
      const error = await new Promise((resolve) => {
        expect((pool.query as (given: unknown) => unknown).call(pool, resolve)).toBeUndefined()
      })
      expect(error).toMatchObject({
        message: 'Passing a function as the first parameter to pool.query is not supported',
      })
    })

    test('refuses nothing in the place of a query', async () => {
      const pool = open()
      const error = await errorOf(pool.query(undefined as unknown as string))
      expect(error).toEqual(new TypeError('Client was passed a null or undefined query'))
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })

    test('rejects when its connection is lost, and the next one gets another', async () => {
      const pool = open({ max: 1 })
      pool.on('error', () => undefined)
      const pid = await pidOf(pool)
      const sleeping = errorOf(pool.query('SELECT pg_sleep(60)'))
      await expect
        .poll(() =>
          observe("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", [pid]),
        )
        .toHaveLength(1)
      await observe('SELECT pg_terminate_backend($1)', [pid])
      expect(await sleeping).toMatchObject({ code: '57P01' })
      expect(await pidOf(pool)).not.toBe(pid)
    })

    test('gives up on a query at `query_timeout`, and on its connection', async () => {
      const pool = open({ query_timeout: 50 })
      expect((await errorOf(pool.query('SELECT pg_sleep(60)'))).message).toBe('Query read timeout')
      expect(pool.totalCount).toBe(0)
    })

    test('reports an error of its callback as an uncaught exception', async () => {
      const pool = open()
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      onTestFinished(() => {
        for (const listener of listeners) process.on('uncaughtException', listener)
      })
      const uncaught = once(process, 'uncaughtException')
      pool.query('SELECT 1', () => {
        throw new Error('of the callback')
      })
      expect(await uncaught).toMatchObject([{ message: 'of the callback' }, expect.anything()])
    })
  })

  describe('events', () => {
    test("tell of a client's life in its order", async () => {
      const pool = open()
      const events = eventsOf(pool)
      const client = await pool.connect()
      expect(events).toEqual(['connect', 'acquire'])
      client.release()
      expect(events).toEqual(['connect', 'acquire', 'release'])
      await pool.query('SELECT 1')
      expect(events.slice(3)).toEqual(['acquire', 'release'])
      await pool.end()
      await expect.poll(() => events.slice(5)).toEqual(['remove'])
    })

    test('come with the client, `release` with the error before it', async () => {
      const pool = open()
      const given: Record<string, unknown[]> = {}
      for (const event of ['connect', 'acquire', 'release', 'remove'] as const) {
        pool.on(event, (...details: unknown[]) => {
          given[event] = details
        })
      }
      const client = await pool.connect()
      expect(given).toEqual({ connect: [client], acquire: [client] })
      client.release()
      expect(given['release']).toEqual([undefined, client])
      const again = await pool.connect()
      const error = new Error('broken')
      again.release(error)
      expect(given['release']).toEqual([error, client])
      await expect.poll(() => given['remove']).toEqual([client])
    })

    test('`connect` may do something with a client before its first holder does', async () => {
      const pool = open({ max: 1 })
      pool.on('connect', (client) => void client.query("SET application_name = 'mine'"))
      const { rows } = await pool.query("SELECT current_setting('application_name') AS name")
      expect(rows).toEqual([{ name: 'mine' }])
    })

    test('count what was opened and what was lent', async () => {
      const pool = open({ max: 5 })
      const events = eventsOf(pool)
      await Promise.all(Array.from({ length: 50 }, () => pool.query('SELECT now()')))
      await expect.poll(() => events.filter((event) => event === 'connect')).toHaveLength(5)
      expect(events.filter((event) => event === 'acquire')).toHaveLength(50)
      expect(events.filter((event) => event === 'release')).toHaveLength(50)
    })

    test('`error` tells of a client that fails while it is idle, after the pool let go of it', async () => {
      const pool = open()
      const events = eventsOf(pool)
      const client = await pool.connect()
      const pid = await pidOf(client)
      client.release()
      const failed = new Promise<unknown[]>((resolve) => {
        pool.on('error', (error, client) => resolve([error, client, pool.totalCount]))
      })
      await observe('SELECT pg_terminate_backend($1)', [pid])
      const [error, failing, count] = await failed
      expect(error).toMatchObject({ code: '57P01', client })
      expect(failing).toBe(client)
      expect(count).toBe(0)
      await expect.poll(() => events.slice(3)).toEqual(['error', 'remove'])
    })

    test('a failed connect is told by none', async () => {
      const pool = open({ port: 1 })
      const events = eventsOf(pool)
      await errorOf(pool.connect())
      expect(events).toEqual([])
    })
  })

  describe('verify and onConnect', () => {
    test('`verify` is asked about each new client, once', async () => {
      const asked: PoolClient[] = []
      const verify = (client: PoolClient, done: () => void): void => {
        asked.push(client)
        done()
      }
      const pool = open({ verify })
      await pool.query('SELECT 1')
      await pool.query('SELECT 1')
      expect(asked).toHaveLength(1)
    })

    test('a client that `verify` refuses is removed, and whoever waited learns why', async () => {
      const verify = (_client: PoolClient, done: (error: Error) => void): void =>
        done(new Error('read only'))
      const pool = open({ verify })
      const events = eventsOf(pool)
      expect((await errorOf(pool.connect())).message).toBe('read only')
      expect(pool.totalCount).toBe(0)
      await expect.poll(() => events).toEqual(['connect', 'acquire', 'release', 'remove'])
    })

    test('`onConnect` is done before anyone hears of the client', async () => {
      const events: string[] = []
      const onConnect = async (client: PoolClient): Promise<void> => {
        await client.query("SET application_name = 'greeted'")
        events.push('onConnect')
      }
      const pool = open({ onConnect })
      pool.on('connect', () => events.push('connect'))
      const { rows } = await pool.query("SELECT current_setting('application_name') AS name")
      expect(rows).toEqual([{ name: 'greeted' }])
      await pool.query('SELECT 1')
      expect(events).toEqual(['onConnect', 'connect'])
    })

    test.each(['throws', 'rejects'])('where `onConnect` %s, connect rejects', async (how) => {
      const onConnect = (): Promise<void> => {
        const error = new Error('not welcome')
        if (how === 'throws') throw error
        return Promise.reject(error)
      }
      const pool = open({ onConnect })
      expect((await errorOf(pool.query('SELECT 1'))).message).toBe('not welcome')
      expect(pool.totalCount).toBe(0)
    })
  })

  describe('a connection ends', () => {
    test('after `idleTimeoutMillis`, down to `min`', async () => {
      const pool = open({ idleTimeoutMillis: 50, min: 1 })
      const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
      for (const client of clients) client.release()
      expect(pool.idleCount).toBe(3)
      await expect.poll(() => pool.totalCount).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 120))
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test('never by its idle time, at 0', async () => {
      const pool = open({ idleTimeoutMillis: 0 })
      await pool.query('SELECT 1')
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(pool.idleCount).toBe(1)
    })

    test('after `maxUses`', async () => {
      const pool = open({ maxUses: 2 })
      const pids = [await pidOf(pool), await pidOf(pool), await pidOf(pool)]
      expect(pids[0]).toBe(pids[1])
      expect(pids[2]).not.toBe(pids[1])
    })

    test('after `maxLifetimeSeconds`, idle', async () => {
      const pool = open({ maxLifetimeSeconds: 0.1 })
      await pool.query('SELECT 1')
      expect(pool.totalCount).toBe(1)
      await expect.poll(() => pool.totalCount).toBe(0)
    })

    test('after `maxLifetimeSeconds`, at its release, and is counted as expired until then', async () => {
      const pool = open({ maxLifetimeSeconds: 0.1 })
      const client = await pool.connect()
      expect(pool.expiredCount).toBe(0)
      await expect.poll(() => pool.expiredCount).toBe(1)
      expect(pool.totalCount).toBe(1)
      client.release()
      expect(pool).toMatchObject({ expiredCount: 0, totalCount: 0 })
    })
  })

  describe('end', () => {
    test('ends every connection, by promise', async () => {
      const pool = open()
      const pid = await pidOf(pool)
      const ending = pool.end()
      expect(pool.ending).toBe(true)
      expect(await ending).toBeUndefined()
      expect(pool).toMatchObject({ ended: true, totalCount: 0, idleCount: 0 })
      await expect.poll(() => sessionsAlive([pid])).toEqual([])
    })

    test('ends by callback', async () => {
      const pool = open()
      await pool.query('SELECT 1')
      await new Promise<void>((resolve) => expect(pool.end(resolve)).toBeUndefined())
      expect(pool.ended).toBe(true)
    })

    test('waits for holders of a client', async () => {
      const pool = open()
      const client = await pool.connect()
      let ended = false
      const ending = pool.end().then(() => (ended = true))
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      expect(ended).toBe(false)
      expect(pool).toMatchObject({ ending: true, ended: false, totalCount: 1 })
      client.release()
      await ending
    })

    test('refuses a second call', async () => {
      const pool = open()
      await pool.end()
      expect((await errorOf(pool.end())).message).toBe('Called end on pool more than once')
      const [error] = await new Promise<unknown[]>((resolve) => {
        pool.end((...given: unknown[]) => resolve(given))
      })
      expect(error).toMatchObject({ message: 'Called end on pool more than once' })
    })

    test('rejects later callers', async () => {
      const pool = open()
      await pool.end()
      const message = 'Cannot use a pool after calling end on the pool'
      expect((await errorOf(pool.connect())).message).toBe(message)
      expect((await errorOf(pool.query('SELECT 1'))).message).toBe(message)
      const error = await new Promise((resolve) => pool.connect(resolve))
      expect(error).toMatchObject({ message })
    })
  })

  describe('options', () => {
    test("`Client` is the class of the clients, and its options are the pool's", async () => {
      const given: unknown[] = []
      class Mine extends Client {
        constructor(config: pg.ClientConfig) {
          super(config)
          given.push((config as { mine?: string }).mine)
        }
      }
      const pool = open({ Client: Mine, mine: 'yes' })
      const client = await pool.connect()
      expect(client).toBeInstanceOf(Mine)
      expect(given).toEqual(['yes'])
      client.release()
    })

    test('`max` may change while the pool is in use', async () => {
      const pool = open({ max: 1 })
      const first = await pool.connect()
      pool.options.max = 2
      const second = await pool.connect()
      expect(pool.totalCount).toBe(2)
      first.release()
      second.release()
    })

    test('`Promise` is the class of the promises', async () => {
      class Mine<T> extends Promise<T> {}
      vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
      onTestFinished(() => void vi.restoreAllMocks())
      const pool = open({ Promise: Mine })
      const connecting = pool.connect()
      expect(connecting).toBeInstanceOf(Mine)
      ;(await connecting).release()
      expect(pool.query('SELECT 1')).toBeInstanceOf(Mine)
      expect(pool.end()).toBeInstanceOf(Mine)
    })

    describe('`log` gets the messages of pg-pool', () => {
      /** All but those on its queue. */
      const logged = (config = {}): { pool: pg.Pool; messages: unknown[] } => {
        const messages: unknown[] = []
        const log = (message: string): void => {
          if (!/pulse queue|no queued requests/.test(message)) messages.push(message)
        }
        return { pool: open({ log, ...config }), messages }
      }
      const connected = [
        'checking client timeout',
        'connecting new client',
        'new client connected',
        'dispatching query',
        'query dispatched',
      ]

      test('on a query and on `end()`', async () => {
        const { pool, messages } = logged()
        await pool.query('SELECT 1')
        await errorOf(pool.query('SELECT nothing'))
        await pool.end()
        expect(messages).toEqual([...connected, 'dispatching query', 'query dispatched', 'ending'])
      })

      test('on a connect that fails', async () => {
        const { pool, messages } = logged({ host: '127.0.0.1', port: 1 })
        await errorOf(pool.query('SELECT 1'))
        expect(messages).toEqual([
          'checking client timeout',
          'connecting new client',
          'client failed to connect',
        ])
      })

      test('on a connect that takes too long', async () => {
        const { pool, messages } = logged({
          host: '127.0.0.1',
          port: await silentServer(),
          connectionTimeoutMillis: 50,
        })
        await errorOf(pool.query('SELECT 1'))
        expect(messages).toEqual([
          'checking client timeout',
          'connecting new client',
          'ending client due to timeout',
          'client failed to connect',
        ])
      })

      test.each([
        [{ idleTimeoutMillis: 50 }, ['remove idle client']],
        [{ maxUses: 1 }, ['remove expended client']],
        [
          { maxLifetimeSeconds: 0.2 },
          ['ending client due to expired lifetime', 'remove expired client'],
        ],
      ])('on a client that ends by %o', async (config, ends) => {
        const { pool, messages } = logged(config)
        await pool.query('SELECT 1')
        await expect.poll(() => messages).toEqual([...connected, ...ends])
      })

      test('on a pool whose `log` was replaced', async () => {
        const { pool, messages } = logged()
        const later: unknown[] = []
        Object.assign(pool, { log: (message: unknown) => later.push(message) })
        await pool.query('SELECT 1')
        expect(messages).toEqual([])
        expect(later).toEqual(expect.arrayContaining(connected))
      })
    })

    test.skipIf(role === undefined)('`password` may be a function', async () => {
      let asked = 0
      const password = async (): Promise<string> => {
        asked++
        return String(role?.password)
      }
      const pool = open({ user: role?.user, password })
      expect((await pool.query('SELECT current_user AS name')).rows).toEqual([{ name: role?.user }])
      expect(asked).toBe(1)
    })
  })
})
