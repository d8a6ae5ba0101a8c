import { Command, type Redis } from 'ioredis'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openClusterPool, startOwnCluster } from './support/clusters.ts'
import { idsOf } from './support/clusters.ts'
import { startOwnServer } from './support/own-server.ts'
import {
  connectionTo,
  idOf,
  observe,
  openPool,
  openRecordedPool,
  type Options,
} from './support/pools.ts'

type Use = (redis: Redis) => unknown

const mine = new Error('mine')
const throwing = {
  toString(): string {
    throw mine
  },
}
const thrown = (): never => {
  throw mine
}

/** Sets a transformer of ioredis until the test ends. */
function transform(
  kind: 'argument' | 'reply',
  name: string,
  by: (value: unknown) => unknown,
): void {
  const { _transformer: known } = Command as unknown as {
    _transformer: Record<string, Record<string, unknown>>
  }
  const table = known[kind] as Record<string, unknown>
  const before = table[name]
  table[name] = by
  onTestFinished(() => {
    if (before === undefined) delete table[name]
    else table[name] = before
  })
}

const failing = async (work: () => unknown): Promise<unknown> => {
  try {
    return await work()
  } catch (error) {
    return error
  }
}

/** Returns whether the next holder gets the same connection after `use`. Expects it to get its own answers. */
async function kept(use: Use, login: Options = {}): Promise<boolean> {
  const pool = openPool({ ...connectionTo(), ...login }, { max: 1 })
  const before = await idOf(pool)
  await pool.use(async (redis) => void (await failing(() => use(redis))))
  const answers = await pool.use((redis) =>
    Promise.all(['a', 'b', 'c'].map((text) => redis.echo(text))),
  )
  expect(answers).toEqual(['a', 'b', 'c'])
  return (await idOf(pool)) === before
}

describe('a connection is not lent again after', () => {
  const toString: [string, Use][] = [
    ['a command', (redis) => redis.set('a', throwing as never)],
    ['a command by `call`', (redis) => redis.call('SET', 'a', throwing as never)],
    [
      'a pipeline, in its first command',
      (redis) =>
        redis
          .pipeline()
          .set('a', throwing as never)
          .get('a')
          .exec(),
    ],
    [
      'a pipeline, in its last command',
      (redis) =>
        redis
          .pipeline()
          .get('a')
          .get('b')
          .set('a', throwing as never)
          .exec(),
    ],
    [
      'MULTI',
      (redis) =>
        redis
          .multi()
          .get('a')
          .set('a', throwing as never)
          .exec(),
    ],
    [
      'a pipeline followed by other commands',
      async (redis) => {
        const { length } = await Promise.allSettled([
          failing(() =>
            redis
              .pipeline()
              .get('a')
              .set('a', throwing as never)
              .exec(),
          ),
          failing(() => redis.echo('next')),
        ])
        return length
      },
    ],
  ]
  test.each(toString)('a value whose toString throws, in %s', async (_, use) => {
    expect(await kept(use)).toBe(false)
  })

  test('a value whose toString throws, and the holder gets that error', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    expect(await failing(() => pool.set('a', throwing as never))).toBe(mine)
  })

  test('a partly sent pipeline, and its holder gets no reply to another command', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const answers = await pool.use(async (redis) => {
      await redis.set('unknown:a', 'another')
      await failing(() =>
        redis
          .pipeline()
          .get('unknown:a')
          .set('a', throwing as never)
          .exec(),
      )
      return failing(() => redis.echo('mine'))
    })
    expect(answers).toMatchObject({ message: expect.stringMatching(/clos|writeable/) })
  })

  test('an argument transformer that throws', async () => {
    transform('argument', 'getex', thrown)
    expect(await kept((redis) => redis.getex('a'))).toBe(false)
    expect(await kept((redis) => redis.pipeline().get('a').getex('a').exec())).toBe(false)
  })

  const replies: [string, Use][] = [
    ['a command', (redis) => redis.getex('a')],
    ['a pipeline', (redis) => redis.pipeline().get('a').getex('a').get('b').exec()],
    ['MULTI', (redis) => redis.multi().getex('a').exec()],
    [
      'a command that is not awaited',
      async (redis) => {
        redis.getex('a').catch(() => undefined)
        await redis.get('b')
      },
    ],
  ]
  test.each(replies)('a reply transformer that throws, in %s', async (_, use) => {
    transform('reply', 'getex', thrown)
    expect(await kept(use)).toBe(false)
  })

  test('a reply transformer that throws only for the results of EXEC', async () => {
    transform('reply', 'getex', (value: unknown) => (value === 'QUEUED' ? value : thrown()))
    expect(await kept((redis) => redis.multi().getex('a').exec())).toBe(false)
  })

  test('a pipeline with a command that ioredis refuses to send', async () => {
    const use: Use = async (redis) => {
      await redis.subscribe('unknown:c')
      return redis.pipeline().ping().get('a').exec()
    }
    expect(await kept(use, { protocol: 2 })).toBe(false)
  })

  test('but is after a single command that ioredis refuses to send', async () => {
    const use: Use = async (redis) => {
      await redis.subscribe('unknown:c')
      await expect(redis.get('a')).rejects.toThrow('subscriber mode')
    }
    expect(await kept(use, { protocol: 2 })).toBe(true)
  })

  test.each([true, false])('a command timeout (answered later: %s)', async (answered) => {
    const { pool, proxy } = await openRecordedPool(
      'plain',
      { max: 1 },
      { commandTimeout: 300, connectTimeout: 10_000 },
    )
    const before = await idOf(pool)
    await pool.use(async (redis) => {
      await proxy.hold({ direction: 'fromServer' })
      await expect(redis.echo('late')).rejects.toThrow('Command timed out')
      if (!answered) return
      const heard = once(redis.stream, 'data')
      await proxy.resume()
      await heard
    })
    if (!answered) await proxy.resume()
    expect(await idOf(pool)).not.toBe(before)
  })
})

test('a cluster is not lent again once the session of one of its nodes is in an unknown state', async () => {
  const { connection } = await startOwnCluster()
  const pool = openClusterPool(connection, { max: 1 })
  const uses: ((cluster: Parameters<Parameters<typeof pool.use>[0]>[0]) => unknown)[] = [
    (cluster) => cluster.set('a', throwing as never),
    (cluster) =>
      cluster
        .pipeline()
        .get('a')
        .set('a', throwing as never)
        .exec(),
    (cluster) => cluster.getex('a'),
    (cluster) => cluster.multi().getex('a').exec(),
  ]
  transform('reply', 'getex', thrown)
  for (const use of uses) {
    const before = await pool.use((cluster) => idsOf(cluster))
    await pool.use(async (cluster) => void (await failing(() => use(cluster))))
    const after = await pool.use((cluster) => idsOf(cluster))
    expect(after.some((id) => before.includes(id))).toBe(false)
    expect(await pool.set('a', 1)).toBe('OK')
  }
})

/** Starts a server that sends an unreadable reply, or one reply too many, if the command says so. */
async function startFaultyServer() {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      const asked = data.toString()
      const answers = asked.match(/\*\d+\r\n/g)?.map(() => '+PONG\r\n') ?? []
      if (/unreadable/.test(asked)) socket.write('?\r\n')
      else if (/twice/.test(asked)) socket.write('+once\r\n+twice\r\n')
      else socket.write(answers.join(''))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { sockets, connection: { host: '127.0.0.1', port, disableClientInfo: true } }
}

test('a connection is not lent again after an unreadable reply', async () => {
  const { sockets, connection } = await startFaultyServer()
  const pool = openPool(connection, { max: 1 })
  await expect(pool.get('unreadable')).rejects.toThrow('Unknown RESP type')
  expect(await pool.get('a')).toBe('PONG')
  expect(sockets).toHaveLength(2)
})

test('a connection ends after a reply that belongs to no command', async () => {
  const { sockets, connection } = await startFaultyServer()
  const pool = openPool(connection, { max: 1 })
  expect(await pool.get('twice')).toBe('once')
  expect(await pool.get('a')).toBe('PONG')
  sockets.at(-1)?.write('+unasked\r\n')
  await expect.poll(() => pool.stats.size).toBe(0)
  expect(await pool.get('a')).toBe('PONG')
  expect(sockets).toHaveLength(3)
})

describe('if the server stops answering, the reset ends the connection within its timeout after', () => {
  const held: [string, Use, Options][] = [
    ['MULTI', (redis) => redis.multi({ pipeline: false }), {}],
    ['WATCH', (redis) => redis.watch('a'), {}],
    ['a subscription', (redis) => redis.subscribe('a'), {}],
    ['another database', (redis) => redis.select(3), {}],
  ]
  test.each(held)('%s', async (_, use, login) => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 }, login)
    const before = await idOf(pool)
    await pool.use(async (redis) => {
      await use(redis)
      const connection = (await proxy.connections()).at(-1)
      await proxy.hold({ connection: connection?.id ?? 0 })
    })
    expect(await idOf(pool)).not.toBe(before)
  })

  const unanswered: [string, Use, Options][] = [
    ['a blocking command', (redis) => void redis.blpop('a', 0).catch(() => undefined), {}],
    ['WAIT', (redis) => void redis.wait(9, 0).catch(() => undefined), {}],
    ['a timeout', (redis) => failing(() => redis.get('a')), { commandTimeout: 300 }],
    [
      'commands that auto-pipelining holds back',
      async (redis) => {
        const first = redis.get('a')
        await new Promise((resolve) => setImmediate(resolve))
        for (const asked of [first, redis.get('b')]) asked.catch(() => undefined)
      },
      { enableAutoPipelining: true },
    ],
  ]
  test.each(unanswered)('%s, unanswered', async (_, use, login) => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 }, login)
    const before = await idOf(pool)
    await pool.use(async (redis) => {
      const connection = (await proxy.connections()).at(-1)
      await proxy.hold({ connection: connection?.id ?? 0 })
      await use(redis)
    })
    expect(await idOf(pool)).not.toBe(before)
  })
})

test('a client that reconnects by itself is not lent before it is connected again', async () => {
  const { server, connection } = await startOwnServer()
  const pool = openPool({ ...connection, retryStrategy: () => 20 }, { max: 1 })
  const lease = await pool.acquire()
  const client = lease.resource
  await server.stopServer()
  await expect.poll(() => client.status).not.toBe('ready')
  lease.release()
  await server.startServer()
  expect(await pool.use(async (redis) => [redis === client, await redis.ping()])).toEqual([
    false,
    'PONG',
  ])
  // The same while idle.
  const id = await idOf(pool)
  await observe((redis) => redis.client('KILL', 'ID', id), connection)
  await expect.poll(() => pool.stats.size).toBe(0)
  expect(await pool.ping()).toBe('PONG')
})
