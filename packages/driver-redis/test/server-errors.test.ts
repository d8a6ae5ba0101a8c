import type { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { openClusterPool, startOwnCluster } from './support/clusters.ts'
import { startOwnServer } from './support/own-server.ts'
import { connectionTo, idOf, observe, openPool, type Options } from './support/pools.ts'

type Use = (redis: Redis) => unknown

/** Opens a pool to a server, and returns a function that turns the server into a replica. */
async function demoted(options: Options = {}, prepare?: Use) {
  const { connection } = await startOwnServer()
  const pool = openPool({ ...connection, ...options }, { max: 1 })
  const demote = (): Promise<unknown> =>
    observe((redis) => redis.replicaof('127.0.0.1', 1), connection)
  const before = await idOf(pool)
  if (prepare !== undefined) await pool.use(async (redis) => void (await prepare(redis)))
  return { pool, before, demote, connection }
}

/** Returns the error of `use`, or its result as text, with the errors in it. */
async function seen(use: () => unknown): Promise<string> {
  try {
    const result: unknown = await use()
    return JSON.stringify(result, (_, value: unknown) =>
      value instanceof Error ? value.message : value,
    )
  } catch (error) {
    return String(error)
  }
}

const WRITE = `return redis.call('set', KEYS[1], 1)`
const CAUGHT = `return redis.pcall('set', KEYS[1], 1)`
const NESTED = `return {1, {redis.pcall('set', KEYS[1], 1)}}`
const QUOTED = `local r = redis.pcall('set', KEYS[1], 1); return redis.error_reply('ERR failed: ' .. r.err)`
const LIBRARY = `#!lua name=mine\nredis.register_function('mine', function(keys) return redis.call('set', keys[1], 1) end)`

describe('a connection is replaced after READONLY', () => {
  const uses: [string, Use][] = [
    ['of a command', (redis) => redis.set('a', 1)],
    ['in a pipeline', (redis) => redis.pipeline().get('a').set('a', 1).exec()],
    ['of a callback', (redis) => new Promise((resolve) => void redis.set('a', 1, resolve))],
    ['of MULTI, chained', (redis) => redis.multi().get('a').set('a', 1).exec()],
    [
      'of MULTI, step by step',
      async (redis) => {
        await redis.multi({ pipeline: false })
        await redis.set('a', 1).catch(() => undefined)
        return redis.exec()
      },
    ],
    ['of EVAL', (redis) => redis.eval(WRITE, 1, 'a')],
    ['of EVAL that returns the error', (redis) => redis.eval(CAUGHT, 1, 'a')],
    ['of EVAL that returns the error in a list', (redis) => redis.eval(NESTED, 1, 'a')],
    ['of EVAL that quotes it', (redis) => redis.eval(QUOTED, 1, 'a')],
    [
      'of a script with flags',
      (redis) => redis.eval(`#!lua\nreturn redis.call('set', KEYS[1], 1)`, 1, 'a'),
    ],
    [
      'of EVALSHA',
      async (redis) => redis.evalsha(String(await redis.script('LOAD', WRITE)), 1, 'a'),
    ],
    ['of EVAL in MULTI', (redis) => redis.multi().get('a').eval(WRITE, 1, 'a').exec()],
    ['of EVAL in MULTI, in a list', (redis) => redis.multi().eval(NESTED, 1, 'a').exec()],
    [
      'of EVAL in MULTI, step by step',
      async (redis) => {
        await redis.multi({ pipeline: false })
        await redis.eval(WRITE, 1, 'a')
        return redis.exec()
      },
    ],
    ['by `call`', (redis) => redis.call('EVAL', WRITE, '1', 'a')],
    [
      'of a command from `defineCommand`',
      (redis) => {
        redis.defineCommand('mine', { numberOfKeys: 1, lua: WRITE })
        return (redis as unknown as { mine(key: string): unknown }).mine('a')
      },
    ],
  ]
  test.each(uses)('%s', async (_, use) => {
    const { pool, before, demote } = await demoted()
    await demote()
    const found = await pool.use((redis) => seen(() => use(redis)))
    expect(found).toMatch(/READONLY|EXECABORT/)
    expect(await idOf(pool)).not.toBe(before)
  })

  test.each([2, 3] as const)('of FCALL, in RESP%i', async (protocol) => {
    const { pool, before, demote } = await demoted({ protocol }, (redis) =>
      redis.function('LOAD', LIBRARY),
    )
    await demote()
    expect(await pool.use((redis) => seen(() => redis.fcall('mine', 1, 'a')))).toMatch('READONLY')
    expect(await idOf(pool)).not.toBe(before)
  })

  test('in EXECABORT', async () => {
    const { pool, before, demote } = await demoted()
    const found = await pool.use(async (redis) => {
      await redis.multi({ pipeline: false })
      await redis.set('a', 1)
      await demote()
      return seen(() => redis.exec())
    })
    expect(found).toMatch('EXECABORT Transaction discarded because of: READONLY')
    expect(await idOf(pool)).not.toBe(before)
  })

  test('after a demotion ends a blocking command', async () => {
    const { pool, before, connection } = await demoted()
    await pool.use(async (redis) => {
      const popped = seen(() => redis.blpop('nothing:comes', 0))
      await expect
        .poll(() => observe((other) => other.info('clients'), connection))
        .toContain('blocked_clients:1')
      await observe((other) => other.replicaof('127.0.0.1', 1), connection)
      expect(await popped).toMatch('UNBLOCKED force unblock')
    })
    expect(await idOf(pool)).not.toBe(before)
  })

  test('but kept with `readOnly`', async () => {
    const { pool, before, demote } = await demoted({ readOnly: true })
    await demote()
    expect(await pool.use((redis) => seen(() => redis.eval(WRITE, 1, 'a')))).toMatch('READONLY')
    expect(await idOf(pool)).toBe(before)
  })

  test('but kept if a duplicate of the client gets the error', async () => {
    const { pool, before, demote } = await demoted()
    await demote()
    const found = await pool.use(async (redis) => {
      const other = redis.duplicate({ lazyConnect: false, enableOfflineQueue: true })
      const answer = await seen(() => other.set('a', 1))
      other.disconnect()
      return answer
    })
    expect(found).toMatch('READONLY')
    expect(await idOf(pool)).toBe(before)
  })
})

describe('a connection is replaced after', () => {
  test.each([false, true])('MASTERDOWN, with readOnly: %s', async (readOnly) => {
    const { connection } = await startOwnServer()
    const pool = openPool({ ...connection, readOnly }, { max: 1 })
    const before = await idOf(pool)
    await observe(async (redis) => {
      await redis.config('SET', 'replica-serve-stale-data', 'no')
      await redis.replicaof('127.0.0.1', 1)
    }, connection)
    await expect(pool.get('a')).rejects.toThrow('MASTERDOWN')
    // New connections are refused until the server can serve again.
    const waiting = idOf(pool)
    await new Promise((resolve) => pool.once('createError', resolve))
    await observe((redis) => redis.replicaof('NO', 'ONE'), connection)
    expect(await waiting).not.toBe(before)
  })

  test('NOREPLICAS', async () => {
    const { connection } = await startOwnServer({ settings: { 'min-replicas-to-write': '1' } })
    const pool = openPool(connection, { max: 1 })
    const before = await idOf(pool)
    await expect(pool.set('a', 1)).rejects.toThrow('NOREPLICAS')
    expect(await idOf(pool)).not.toBe(before)
  })

  /** Replies that a server sends only in states that are hard to bring about are sent by a script. */
  const say = (message: string) => (redis: Redis) =>
    seen(() => redis.eval('return redis.error_reply(ARGV[1])', 0, message))

  const left = [
    'LOADING Redis is loading the dataset in memory',
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist on disk.',
    'MISCONF Errors writing to the AOF file: No space left on device',
    'NOAUTH Authentication required.',
    'CLUSTERDOWN The cluster is down',
    'CLUSTERDOWN Hash slot not served',
    'MOVED 3999 127.0.0.1:6381',
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    // Before Redis 7.
    `ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.`,
  ]
  test.each(left)('%s', async (message) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const before = await idOf(pool)
    expect(await pool.use(say(message))).toMatch(message.split(' ')[0] ?? '')
    expect(await idOf(pool)).not.toBe(before)
  })

  const kept = [
    'ASK 3999 127.0.0.1:6381',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'CROSSSLOT Keys in request do not hash to the same slot',
    'NOPERM this user has no permissions',
    'OOM command not allowed when used memory > maxmemory',
    'BUSY Redis is busy running a script.',
    'UNBLOCKED client unblocked via CLIENT UNBLOCK',
    'ERR the key READONLY is taken',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
  ]
  test.each(kept)('but kept after %s', async (message) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const before = await idOf(pool)
    expect(await pool.use(say(message))).toMatch(message.split(' ')[0] ?? '')
    expect(await idOf(pool)).toBe(before)
  })
})

test('a cluster that is down is not lent until every slot is served again', async () => {
  const { connection, masters } = await startOwnCluster()
  const pool = openClusterPool({ ...connection, retryDelayOnClusterDown: 0 }, { max: 1 })
  const before = await pool.use(async (cluster) => cluster)
  const [first] = masters
  const to = { host: first?.host ?? '', port: first?.port ?? 0 }
  const failed = new Promise((resolve) => pool.once('createError', resolve))
  // Some slots that no master has. Without any slot, the master would not be listed, and the others would not report a failure.
  const [slot] = await observe((redis) => redis.cluster('SLOTS'), to)
  const [from, , [host, port]] = slot as unknown as [number, number, [string, number]]
  const until = from + 99
  const at = { host, port }
  // On each of them: another one would go on saying that the slot is served.
  for (const { host, port } of masters) {
    await observe((redis) => redis.call('CLUSTER', 'DELSLOTSRANGE', from, until), { host, port })
  }
  const key = await keyIn(from, until, at)
  await expect
    .poll(() => pool.use((cluster) => seen(() => cluster.set(key, 1))))
    .toMatch(/CLUSTERDOWN/)
  // A master refuses the slot before it reports that the cluster is down.
  for (const { host, port } of masters) {
    await expect
      .poll(() => observe((redis) => redis.cluster('INFO'), { host, port }))
      .toContain('cluster_state:fail')
  }
  const waiting = pool.use(async (cluster) => cluster)
  await failed
  await observe((redis) => redis.call('CLUSTER', 'ADDSLOTSRANGE', from, until), at)
  expect(await waiting).not.toBe(before)
})

/** Returns a key whose slot is in the range. */
async function keyIn(from: number, until: number, at: Options): Promise<string> {
  return observe(async (redis) => {
    for (let n = 0; ; n++) {
      const slot = await redis.cluster('KEYSLOT', `key:${n}`)
      if (slot >= from && slot <= until) return `key:${n}`
    }
  }, at)
}
