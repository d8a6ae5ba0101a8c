import { CreateError, type PoolEvents } from '@forksafe/core'
import { describe, expect, test } from 'vitest'
import { redisDriver } from '../src/index.ts'
import { idOf, observe, openPool, type Options } from './support/pools.ts'
import { startOwnServer } from './support/own-server.ts'

type Failure = PoolEvents['createError'][0]

/** Uses a pool that cannot connect. Returns the first failure; the caller may still be waiting. */
async function refused(connection: Options) {
  const pool = openPool(connection)
  const failed = new Promise<Failure>((resolve) => pool.once('createError', resolve))
  const answer = pool.get('a').catch((error: unknown) => error)
  return { pool, answer, failure: await failed }
}

describe.each([2, 3] as const)('an error that a retry would not fix, in RESP%i,', (protocol) => {
  test('immediately rejects all waiting callers', async () => {
    const { connection } = await startOwnServer({ password: 'secret' })
    await observe(async (redis) => {
      await redis.acl('SETUSER', 'no-ping', 'on', '>secret', 'allkeys', '+@all', '-ping')
      await redis.acl('SETUSER', 'off', 'off', '>secret', 'allkeys', '+@all')
    }, connection)
    const { password: _, ...nobody } = connection
    const cases: [Options, RegExp][] = [
      [{ ...connection, password: 'wrong' }, /^WRONGPASS/],
      [{ ...connection, username: 'unknown' }, /^WRONGPASS/],
      [{ ...connection, username: 'off' }, /^WRONGPASS/],
      [nobody, /^NOAUTH/],
      [{ ...connection, username: 'no-ping' }, /^NOPERM/],
      [{ ...connection, db: 9_999 }, /^ERR DB index/],
    ]
    for (const [options, message] of cases) {
      const { answer, failure } = await refused({ ...options, protocol })
      expect(await answer).toBeInstanceOf(CreateError)
      expect(await answer).toMatchObject({ cause: { message: expect.stringMatching(message) } })
      expect(failure.kind).toBe('fatal')
    }
  })
})

test.each([2, 3] as const)('callers wait while a server is full, in RESP%i', async (protocol) => {
  const { connection } = await startOwnServer({ settings: { maxclients: '2' } })
  const others = openPool(connection, { max: 2, min: 2 })
  await others.warmUp()
  const { pool, answer, failure } = await refused({ ...connection, protocol })
  expect(failure).toMatchObject({
    kind: 'full',
    error: { message: 'ERR max number of clients reached' },
  })
  expect(pool.stats.waiting).toBe(1)
  await others.close()
  expect(await answer).toBeNull()
})

describe('a connect is retried', () => {
  test('while a server loads its data', async () => {
    const { server, connection } = await startOwnServer({
      settings: { 'key-load-delay': '500', 'loading-process-events-interval-bytes': '1024' },
    })
    await observe(async (redis) => {
      await redis.mset(Array.from({ length: 1_000 }, (_, n) => `key:${n >> 1}`))
      await redis.save()
    }, connection)
    await server.restart()
    const { pool, answer, failure } = await refused(connection)
    expect(failure).toMatchObject({
      kind: 'transient',
      error: { message: expect.stringMatching(/^LOADING/) },
    })
    expect(await answer).toBeNull()
    expect(await pool.dbsize()).toBe(500)
  })

  test('while a replica has lost its master and does not serve stale data', async () => {
    const { server, connection } = await startOwnServer()
    await observe(async (redis) => {
      await redis.config('SET', 'replica-serve-stale-data', 'no')
      await redis.replicaof('127.0.0.1', 1)
    }, connection)
    const { answer, failure } = await refused(connection)
    expect(failure).toMatchObject({
      kind: 'transient',
      error: { message: expect.stringMatching(/^MASTERDOWN/) },
    })
    // It restarts as a master.
    await server.restart()
    expect(await answer).toBeNull()
  })

  test('while a server is down', async () => {
    const { server, connection } = await startOwnServer()
    await server.stopServer()
    const { answer, failure } = await refused(connection)
    expect(failure).toMatchObject({ kind: 'transient', error: { code: 'ECONNREFUSED' } })
    await server.startServer()
    expect(await answer).toBeNull()
  })
})

describe('a demoted server that refuses a write', () => {
  async function demoted(options: Options = {}) {
    const { server, connection } = await startOwnServer()
    const pool = openPool({ ...connection, ...options }, { max: 1 })
    const before = await idOf(pool)
    await observe((redis) => redis.replicaof('127.0.0.1', 1), connection)
    const error: unknown = await pool.set('a', 1).catch((error: unknown) => error)
    expect(error).toMatchObject({ message: expect.stringMatching(/^READONLY/) })
    return { server, connection, pool, before, error }
  }

  test('gets a new connection, which may reach another server', async () => {
    const { connection, pool, before, error } = await demoted()
    expect(redisDriver.classify?.(error)).toBe('transient')
    expect(await idOf(pool)).not.toBe(before)
    await observe((redis) => redis.replicaof('NO', 'ONE'), connection)
    expect(await pool.set('a', 1)).toBe('OK')
  })

  test('gets a new connection after a transaction, too', async () => {
    const { pool } = await demoted()
    const before = await idOf(pool)
    await expect(pool.use((redis) => redis.multi().set('a', 1).exec())).rejects.toThrow('EXECABORT')
    expect(await idOf(pool)).not.toBe(before)
  })

  test('keeps its connection with `readOnly`', async () => {
    const { pool, before } = await demoted({ readOnly: true })
    expect(await idOf(pool)).toBe(before)
  })

  test('is still reported to `reconnectOnError`', async () => {
    const seen: string[] = []
    await demoted({ reconnectOnError: ({ message }) => seen.push(message) < 0 })
    expect(seen).toEqual([expect.stringMatching(/^READONLY/)])
  })
})

test.each([
  [undefined, 'undefined'],
  [null, 'null'],
  [5, 'a number'],
  [[], 'an array'],
])('a connection that is %o immediately rejects all waiting callers', async (connection, got) => {
  const { answer, failure } = await refused(connection as never)
  expect(failure.kind).toBe('fatal')
  expect(await answer).toMatchObject({
    cause: { message: `Expected \`connection\` to be a URL or an object of options, got ${got}.` },
  })
})

test.each([
  ['a server', { host: '127.0.0.1', port: 99_999 }],
  ['a sentinel', { name: 'mymaster', sentinels: [{ host: '127.0.0.1', port: 99_999 }] }],
] as [string, Options][])(
  'an invalid port of %s immediately rejects all waiting callers',
  async (_, connection) => {
    const { answer, failure } = await refused(connection)
    expect(failure.kind).toBe('fatal')
    expect(await answer).toMatchObject({
      cause: { message: expect.stringContaining('Port should be >= 0 and < 65536') },
    })
  },
)

test.each([
  [new Error('no prefix'), 'transient'],
  [undefined, 'transient'],
  [new Error('DENIED Redis is running in protected mode'), 'fatal'],
  [new Error('ERR invalid password'), 'fatal'],
])('%o is %s', (error, kind) => {
  expect(redisDriver.classify?.(error)).toBe(kind)
})
