import type { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { redisDriver } from '../src/index.ts'
import {
  connectionTo,
  idOf,
  observe,
  openPool,
  openRecordedPool,
  type Options,
  seenByServer,
} from './support/pools.ts'

type Use = (redis: Redis) => unknown

/** Returns what the next holder finds after one that called `use`. */
async function after(use: Use, login: Options = {}) {
  // A reset must not rely on its timeout to notice that an answer is missing.
  const pool = openPool({ ...connectionTo(), ...login }, { max: 1, validateTimeoutMillis: 60_000 })
  const before = await idOf(pool)
  await pool.use(async (redis) => void (await use(redis)))
  const id = await idOf(pool)
  return { pool, same: id === before, seen: await seenByServer(id) }
}

describe('a reset costs no round trip', () => {
  const clean: [string, Use][] = [
    ['plain commands', (redis) => redis.set('reset:a', 1)],
    ['a transaction that was executed', (redis) => redis.multi().incr('reset:n').exec()],
    [
      'a transaction sent step by step',
      async (redis) => {
        await redis.watch('reset:n')
        await redis.multi({ pipeline: false })
        await redis.incr('reset:n')
        await redis.exec()
      },
    ],
    [
      'a transaction that the server refused',
      async (redis) => {
        await redis.call('MULTI')
        await expect(redis.call('GET')).rejects.toThrow('wrong number')
        await expect(redis.call('EXEC')).rejects.toThrow('EXECABORT')
      },
    ],
    [
      'a transaction that a changed key aborted',
      async (redis) => {
        await redis.watch('reset:watched')
        await observe((other) => other.incr('reset:watched'))
        expect(await redis.multi().get('reset:watched').exec()).toBeNull()
      },
    ],
    [
      'a transaction that was discarded',
      async (redis) => {
        await redis.multi({ pipeline: false })
        await redis.discard()
      },
    ],
    [
      'UNWATCH',
      async (redis) => {
        await redis.watch('reset:n')
        await redis.unwatch()
      },
    ],
    ['SELECT of the same database', (redis) => redis.select(0)],
    ['a script that selects another database', (redis) => redis.eval(`redis.call('select', 3)`, 0)],
    ['CLIENT INFO', (redis) => redis.client('INFO')],
    ['XREAD without BLOCK', (redis) => redis.xread('COUNT', 1, 'STREAMS', 'reset:s', '0')],
    ['an ordinary command that was not awaited', (redis) => void redis.get('reset:a')],
  ]
  test.each(clean)('after %s', async (_, use) => {
    const client = await redisDriver.create(connectionTo(), {
      signal: new AbortController().signal,
    })
    onTestFinished(() => client.disconnect())
    await use(client)
    expect(redisDriver.reset?.(client)).toBeUndefined()
  })

  test('and sends no byte', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    await pool.get('reset:a')
    const mark = await proxy.mark()
    for (let n = 0; n < 5; n++) await pool.get('reset:a')
    const asked = (await proxy.records({ since: mark })).filter(
      (record) => record.kind === 'data' && record.direction === 'fromClient',
    )
    expect(asked).toHaveLength(5)
  })
})

describe('a reset undoes', () => {
  const undone: [string, Use, Record<string, string>][] = [
    ['MULTI', (redis) => redis.multi({ pipeline: false }), { multi: '-1' }],
    ['MULTI in capitals, by `call`', (redis) => redis.call('MULTI'), { multi: '-1' }],
    [
      'MULTI in a pipeline',
      (redis) => redis.pipeline().call('multi').set('reset:never', 1).exec(),
      { multi: '-1' },
    ],
    [
      'a second MULTI sent before the first was answered',
      (redis) =>
        Promise.all([
          redis.multi({ pipeline: false }),
          redis.call('EXEC'),
          redis.multi({ pipeline: false }),
        ]),
      { multi: '-1' },
    ],
    ['WATCH', (redis) => redis.watch('reset:watched'), { flags: 'N' }],
    ['another database', (redis) => redis.select(3), { db: '0' }],
    ['another database, by `call`', (redis) => redis.call('SELECT', '3'), { db: '0' }],
    [
      'another database, also after a discarded SELECT of the first one',
      async (redis) => {
        await redis.select(3)
        await redis.multi({ pipeline: false })
        await redis.select(0)
        await redis.discard()
      },
      { db: '0' },
    ],
    ['a database chosen in a transaction', (redis) => redis.multi().select(3).exec(), { db: '0' }],
    ['a channel', (redis) => redis.subscribe('reset:c'), { sub: '0' }],
    ['a pattern', (redis) => redis.psubscribe('reset:*', 'r*'), { psub: '0' }],
    ['a sharded channel', (redis) => redis.ssubscribe('reset:s'), { ssub: '0' }],
    [
      'channels of every kind',
      async (redis) => {
        await redis.subscribe('reset:a', 'reset:b')
        await redis.ssubscribe('reset:s')
        await redis.psubscribe('reset:*')
        await redis.call('SUBSCRIBE', 'reset:d')
      },
      { sub: '0', psub: '0', ssub: '0' },
    ],
    ['a name', (redis) => redis.client('SETNAME', 'mine'), { name: '' }],
    [
      'everything at once',
      async (redis) => {
        await redis.subscribe('reset:c')
        await redis.client('SETNAME', 'mine')
        await redis.select(3)
        await redis.watch('reset:watched')
        await redis.multi({ pipeline: false })
      },
      { multi: '-1', flags: 'N', db: '0', sub: '0', name: '' },
    ],
    ['MULTI that was not awaited', (redis) => void redis.call('MULTI'), { multi: '-1' }],
  ]
  test.each(undone)('%s, on the same connection', async (_, use, expected) => {
    expect(await after(use)).toMatchObject({ same: true, seen: expected })
  })

  test.each([2, 3] as const)('a subscription and its listeners, in RESP%i', async (protocol) => {
    const heard: string[] = []
    const { pool, same } = await after(
      async (redis) => {
        redis.on('message', (channel) => heard.push(channel))
        await redis.subscribe('reset:heard')
      },
      { protocol },
    )
    expect(same).toBe(true)
    expect(await pool.publish('reset:heard', 'anyone?')).toBe(0)
    await pool.use(async (redis) => {
      await redis.subscribe('reset:heard')
      const next = new Promise((resolve) => redis.once('message', (...words) => resolve(words)))
      await observe((other) => other.publish('reset:heard', 'you'))
      expect(await next).toEqual(['reset:heard', 'you'])
    })
    expect(heard).toEqual([])
  })

  test('a message listener of a holder that did not subscribe', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const heard: string[] = []
    await pool.use((redis) => void redis.on('message', (channel) => heard.push(channel)))
    await pool.use(async (redis) => {
      await redis.subscribe('reset:secret')
      const next = new Promise((resolve) => redis.once('message', resolve))
      await observe((other) => other.publish('reset:secret', 'for the second'))
      await next
    })
    expect(heard).toEqual([])
  })

  test('a subscription of a client with a key prefix', async () => {
    const use: Use = (redis) => Promise.all([redis.subscribe('c'), redis.ssubscribe('s')])
    expect(await after(use, { keyPrefix: 'reset:' })).toMatchObject({
      same: true,
      seen: { sub: '0', ssub: '0' },
    })
  })

  test('a change of the configured database and name', async () => {
    const use: Use = (redis) => Promise.all([redis.select(0), redis.client('SETNAME', 'mine')])
    const { same, seen } = await after(use, { db: 5, connectionName: 'ours' })
    expect({ same, ...seen }).toMatchObject({ same: true, db: '5', name: 'ours' })
  })

  test('nothing of a transaction that was executed but not awaited', async () => {
    const { pool, same } = await after((redis) => {
      void redis.multi().set('reset:late', 'done').exec()
    })
    expect(same).toBe(true)
    expect(await pool.get('reset:late')).toBe('done')
  })

  test('queued commands of a transaction', async () => {
    await after(async (redis) => {
      await redis.multi({ pipeline: false })
      await redis.set('reset:never', 1)
    })
    expect(await observe((redis) => redis.exists('reset:never'))).toBe(0)
  })
})

describe('a connection is replaced after', () => {
  const caught = (promise: Promise<unknown>): void => void promise.catch(() => undefined)
  const beyond: [string, Use][] = [
    ['CLIENT REPLY OFF', (redis) => caught(redis.client('REPLY', 'OFF'))],
    ['CLIENT REPLY SKIP', (redis) => caught(redis.client('REPLY', 'SKIP'))],
    ['CLIENT TRACKING', (redis) => redis.call('CLIENT', 'TRACKING', 'ON')],
    ['CLIENT NO-EVICT', (redis) => redis.client('NO-EVICT', 'ON')],
    ['MONITOR', (redis) => redis.call('MONITOR')],
    ['RESET', (redis) => redis.call('RESET')],
    ['HELLO', (redis) => redis.hello(3)],
    ['SCRIPT DEBUG', (redis) => redis.script('DEBUG', 'YES')],
    ['HIMPORT', (redis) => caught(redis.himport('PREPARE', 'reset:fields', 'a'))],
    [
      'AUTH as another user',
      async (redis) => {
        await redis.acl('SETUSER', 'reset-other', 'on', '>secret', '+@all', '~*')
        await redis.auth('reset-other', 'secret')
      },
    ],
    ['an unanswered BLPOP', (redis) => caught(redis.blpop('reset:nothing', 0))],
    [
      'an unanswered XREAD BLOCK',
      (redis) => caught(redis.xread('BLOCK', 0, 'STREAMS', 'reset:nothing', '$')),
    ],
    ['an unanswered WAIT', (redis) => caught(redis.wait(9, 0))],
    [
      'BLPOP after ioredis’s blockingTimeout',
      async (redis) => expect(await redis.blpop('reset:nothing', 0)).toBeNull(),
    ],
  ]
  test.each(beyond)('%s', async (_, use) => {
    const { same, seen } = await after(use, { blockingTimeout: 50, blockingTimeoutGrace: 0 })
    expect({ same, ...seen }).toMatchObject({ same: false, user: 'default', db: '0' })
  })
})
