import { EventEmitter, once } from 'node:events'
import { AsyncLocalStorage } from 'node:async_hooks'
import { Pool as PgPool, Query, type PoolClient } from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Pool } from '../src/index.ts'
import { errorOf, eventsOf, openPool, pidOf } from './support/drop-in.ts'
import { connectionTo, observe, sessionsAlive, startProxy } from './support/pools.ts'

// Where the drop-in is not like pg.Pool, on purpose. docs/drop-in.md says the same.

const open = (config = {}): PgPool => openPool(Pool, config)

test('is a class of pg.Pool, and its name is Pool', () => {
  const pool = open()
  expect(pool).toBeInstanceOf(PgPool)
  expect(pool).toBeInstanceOf(Pool)
  expect(pool.constructor.name).toBe('Pool')
  class Mine extends Pool {}
  expect(openPool(Mine)).toBeInstanceOf(Pool)
})

test('works behind a proxy', async () => {
  const pool = new Proxy(open(), {})
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(pool.idleCount).toBe(1)
})

describe('a connection', () => {
  test('comes back without the transaction that its holder left open', async () => {
    const pool = open({ max: 1 })
    const pid = await pidOf(pool)
    const client = await pool.connect()
    await client.query('BEGIN; CREATE TEMP TABLE left_open ()')
    client.release()
    const { rows } = await pool.query("SELECT to_regclass('left_open') AS found")
    expect(rows).toEqual([{ found: null }])
    expect(await pidOf(pool)).toBe(pid)
  })

  test.each([false, true])(
    'comes back without what its holder queued behind the callback that released it (pipeline: %s)',
    async (pipeline) => {
      const pool = open({ max: 1, pipeline })
      const pid = await pidOf(pool)
      const client = await pool.connect()
      await new Promise<void>((resolve) => {
        client.query('SELECT 1', () => {
          client.release()
          resolve()
        })
        client.query('BEGIN', () => undefined)
      })
      const next = await pool.connect()
      expect(await pidOf(next)).toBe(pid)
      expect(next.getTransactionStatus()).toBe('I')
      next.release()
    },
  )

  test('survives an error of a statement', async () => {
    const pool = open({ max: 1 })
    const pid = await pidOf(pool)
    const events = eventsOf(pool)
    await errorOf(pool.query('SELECT nothing'))
    expect(events).toEqual(['acquire', 'release'])
    expect(await pidOf(pool)).toBe(pid)
  })

  test('that fails while it is idle is replaced, also without a listener', async () => {
    const pool = open({ max: 1 })
    const pid = await pidOf(pool)
    await observe('SELECT pg_terminate_backend($1)', [pid])
    await expect.poll(() => pool.totalCount).toBe(0)
    expect(await pidOf(pool)).not.toBe(pid)
  })

  test('that fails while it is lent frees its slot at once, also without a listener', async () => {
    const pool = open({ max: 1 })
    const client = await pool.connect()
    const pid = await pidOf(client)
    const events = eventsOf(pool)
    const next = pidOf(pool)
    await observe('SELECT pg_terminate_backend($1)', [pid])
    expect(await next).not.toBe(pid)
    expect(events).not.toContain('error')
    client.release()
    expect(() => client.release()).toThrow('already been released')
  })

  test('that was lost silently is detected before it is lent again after 30 s', async () => {
    const pool = open({ max: 1, log: () => undefined })
    const client = await pool.connect()
    const pid = await pidOf(client)
    client.release()
    // Its end is not heard of, as if a router had forgotten it.
    client.connection.stream.pause()
    await observe('SELECT pg_terminate_backend($1)', [pid])
    const later = Date.now() + 30_001
    vi.spyOn(Date, 'now').mockReturnValue(later)
    onTestFinished(() => void vi.restoreAllMocks())
    expect(await pidOf(pool)).not.toBe(pid)
  })

  test('that is opened for a caller who was served meanwhile is kept', async () => {
    const pool = open({ max: 2 })
    const holder = await pool.connect()
    const waiting = pool.connect()
    holder.release()
    const served = await waiting
    expect(served).toBe(holder)
    served.release()
    await expect.poll(() => pool.idleCount).toBe(2)
  })
})

test('`connectionTimeoutMillis` holds also while the only client is being rolled back', async () => {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  const pool = open({ port: proxy.port, max: 2, connectionTimeoutMillis: 1_500 })
  const client = await pool.connect()
  await client.query('BEGIN')
  await proxy.hold()
  client.release()
  // And not after the 2,000 ms that the rollback may take.
  expect((await errorOf(pool.connect())).message).toBe('timeout exceeded when trying to connect')
})

describe('end', () => {
  test('serves a waiting caller', async () => {
    const pool = open({ max: 1 })
    const client = await pool.connect()
    const waiting = pool.query('SELECT 1 AS one')
    const ending = pool.end()
    client.release()
    expect((await waiting).rows).toEqual([{ one: 1 }])
    await ending
  })

  test('settles only when the connections are closed', async () => {
    const pool = open()
    const pid = await pidOf(pool)
    await pool.end()
    expect(await sessionsAlive([pid])).toEqual([])
  })
})

test('`connect` gives a function to call also after end()', async () => {
  const pool = open()
  await pool.end()
  const [error, client, done] = await new Promise<unknown[]>((resolve) => {
    pool.connect((...given) => resolve(given))
  })
  expect(error).toMatchObject({ message: 'Cannot use a pool after calling end on the pool' })
  expect(client).toBeUndefined()
  expect((done as () => void)()).toBeUndefined()
})

describe('query', () => {
  test('releases its client also if the query has its own callback', async () => {
    const pool = open({ max: 1 })
    const own = new Promise((resolve) => {
      const query = new Query('SELECT 1 AS one', (_, result) => resolve(result.rows))
      void pool.query(query)
    })
    expect(await own).toEqual([{ one: 1 }])
    await expect.poll(() => pool.idleCount).toBe(1)
  })

  test('calls back in the async context of the caller', async () => {
    const context = new AsyncLocalStorage<string>()
    const pool = open({ max: 1 })
    const seen = ['first', 'second'].map(
      (name) =>
        new Promise((resolve) => {
          context.run(name, () => pool.query('SELECT 1', () => resolve(context.getStore())))
        }),
    )
    expect(await Promise.all(seen)).toEqual(['first', 'second'])
  })
})

test('a listener that throws causes an uncaught exception, and the pool keeps working', async () => {
  const pool = open({ max: 1 })
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
  expect(pool.idleCount).toBe(1)
})

test('a `verify` that throws refuses the client, and keeps it from nobody', async () => {
  const refusals = [new Error('not this one')]
  const verify = (_: PoolClient, done: () => void): void => {
    const refusal = refusals.pop()
    if (refusal !== undefined) throw refusal
    done()
  }
  const pool = open({ max: 1, verify })
  expect((await errorOf(pool.connect())).message).toBe('not this one')
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test.each([
  [{ max: -1 }, '`max`'],
  [{ max: 'many' }, '`max`'],
  [{ maxUses: -1 }, '`maxUses`'],
  [{ maxLifetimeSeconds: -1 }, '`maxLifetimeSeconds`'],
  [{ connectionTimeoutMillis: -1 }, '`connectionTimeoutMillis`'],
  [{ idleTimeoutMillis: -1 }, '`idleTimeoutMillis`'],
])('refuses %o, which would lend nothing, or nothing twice', (config, named) => {
  expect(() => new Pool(config as object)).toThrow(named)
})

test.each([
  [
    'postgres://app:secret@localhost',
    'expected an object of options, such as { connectionString }, got a string',
  ],
  [5, 'got a number'],
  [[], 'got an array'],
])('refuses %j in place of options', (config, message) => {
  expect(() => new Pool(config as object)).toThrow(message)
})

test('options that are changed later: how to connect counts, and times and `maxUses` stay', async () => {
  const pool = open()
  const pid = await pidOf(pool)
  Object.assign(pool.options, { application_name: 'changed', maxUses: 1, idleTimeoutMillis: 1 })
  expect(await pidOf(pool)).toBe(pid)
  expect(await pidOf(pool)).toBe(pid)
  const clients = await Promise.all([pool.connect(), pool.connect()])
  const names = await Promise.all(
    clients.map(async (client) => (await client.query('SHOW application_name')).rows as unknown),
  )
  expect(names).toContainEqual([{ application_name: 'changed' }])
  for (const client of clients) client.release()
})

test('a `min` below 0 is 0', async () => {
  const pool = open({ min: -1, idleTimeoutMillis: 50 })
  await pool.query('SELECT 1')
  await expect.poll(() => pool.totalCount).toBe(0)
})

test('a `min` above `max` is `max`', async () => {
  const pool = open({ min: 5, max: 2, idleTimeoutMillis: 50 })
  const clients = await Promise.all([pool.connect(), pool.connect()])
  for (const client of clients) client.release()
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect(pool.idleCount).toBe(2)
})

test('a client of another make is given back as it is', async () => {
  const { Client } = await import('pg')
  class Plain extends Client {}
  Object.assign(Plain.prototype, { getTransactionStatus: undefined })
  const pool = open({ Client: Plain, max: 1 })
  const client: PoolClient = await pool.connect()
  client.release()
  expect(pool.idleCount).toBe(1)
})

test('`await using` ends the pool, once', async () => {
  const ended: PgPool[] = []
  {
    await using pool = new Pool(connectionTo())
    await pool.query('SELECT 1')
    ended.push(pool)
  }
  expect(ended[0]).toMatchObject({ ended: true, totalCount: 0 })
  {
    await using pool = new Pool(connectionTo())
    await pool.query('SELECT 1')
    ended.push(pool)
    // It may have been ended already.
    void pool.end()
  }
  expect(ended[1]?.ended).toBe(true)
})

describe('a client whose `end` fails', () => {
  const ends = [
    () => {
      throw new Error('from end')
    },
    async () => Promise.reject(new Error('from end')),
  ]

  /** Like pg-native's client, it does not expose its connection. */
  class Failing extends EventEmitter {
    connect(callback: (error?: Error) => void): void {
      process.nextTick(callback, new Error('from connect'))
    }
  }

  test.each(ends)('does not hide why it could not connect', async (end) => {
    class Mine extends Failing {
      readonly end = end
    }
    const pool = open({ Client: Mine })
    expect((await errorOf(pool.connect())).message).toBe('from connect')
    expect((await errorOf(pool.query('SELECT 1'))).message).toBe('from connect')
    expect(pool.totalCount).toBe(0)
  })

  test.each(ends)('does not hide that it took too long', async (end) => {
    class Mine extends Failing {
      readonly end = (): unknown => {
        this.failed?.(new Error('closed'))
        return end()
      }
      private failed: ((error: Error) => void) | undefined
      override connect(callback: (error?: Error) => void): void {
        this.failed = callback
      }
    }
    const pool = open({ Client: Mine, connectionTimeoutMillis: 20 })
    expect((await errorOf(pool.connect())).message).toContain('due to connection timeout')
  })

  test.each(ends)('does not hide the error of `onConnect`', async (end) => {
    class Mine extends Failing {
      readonly end = end
      override connect(callback: (error?: Error) => void): void {
        process.nextTick(callback)
      }
    }
    const onConnect = (): never => {
      throw new Error('from onConnect')
    }
    const pool = open({ Client: Mine, onConnect })
    expect((await errorOf(pool.connect())).message).toBe('from onConnect')
    expect(pool.totalCount).toBe(0)
  })
})

describe('an option of the underlying pool', () => {
  test('is supported: `leakDetectionMillis` reports a client that is not released', async () => {
    const pool = open({ leakDetectionMillis: 20 })
    const leaks: unknown[] = []
    const emitter: EventEmitter = pool
    emitter.on('leak', (leak) => leaks.push(leak))
    const client = await pool.connect()
    await expect.poll(() => leaks.length).toBe(1)
    expect(leaks[0]).toMatchObject({ heldMillis: expect.any(Number), stack: expect.any(String) })
    client.release()
  })

  test('is supported: `maxWaitingClients`', async () => {
    const pool = open({ max: 1, maxWaitingClients: 0 })
    const client = await pool.connect()
    expect(await errorOf(pool.connect())).toMatchObject({ name: 'QueueFullError' })
    client.release()
  })

  test('is checked', () => {
    expect(() => open({ leakDetectionMillis: -1 })).toThrow('`leakDetectionMillis`')
    expect(() => open({ name: '' })).toThrow('`name`')
  })

  test.each([
    ['acquireTimeoutMillis', '`connectionTimeoutMillis`'],
    ['createTimeoutMillis', '`connectionTimeoutMillis`'],
    ['maxLifetimeMillis', '`maxLifetimeSeconds`'],
    ['connection', 'beside the other options'],
  ])('is refused where pg-pool has another name for it: %s', (option, hint) => {
    expect(() => open({ [option]: 1 })).toThrow(hint)
    expect(() => open({ [option]: undefined })).not.toThrow()
  })

  test('does not keep an option of a client, known or not, from reaching it', async () => {
    const pool = open({ application_name: 'mine', statement_timeout: 5_000, ofSomebody: 1 })
    const { rows } = await pool.query('SHOW application_name')
    expect(rows).toEqual([{ application_name: 'mine' }])
    expect(pool.options).toMatchObject({ ofSomebody: 1 })
  })
})
