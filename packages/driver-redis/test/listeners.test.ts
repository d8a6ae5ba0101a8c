import type { PoolEvents } from '@forksafe/core'
import { Cluster, type Redis } from 'ioredis'
import type { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { openClusterPool, startOwnCluster } from './support/clusters.ts'
import { addressOf, startOwnSentinel } from './support/sentinels.ts'
import { connectionTo, idOf, observe, openPool, transports } from './support/pools.ts'

type Removal = (of: EventEmitter) => unknown

const EVENTS = ['error', 'end', 'close', 'ready', 'data', 'connect', 'node error', '+node', '-node']

const removals: [string, Removal][] = [
  ['removeAllListeners()', (of) => of.removeAllListeners()],
  ['removeAllListeners(undefined)', (of) => of.removeAllListeners(undefined)],
  ['removeAllListeners(event)', (of) => EVENTS.forEach((event) => of.removeAllListeners(event))],
  [
    'removeAllListeners(event), twice',
    (of) => [1, 2].forEach(() => EVENTS.forEach((event) => of.removeAllListeners(event))),
  ],
  [
    'off, one by one,',
    (of) =>
      of.eventNames().forEach((event) => {
        for (const listener of of.listeners(event)) of.off(event, listener as () => void)
      }),
  ],
]

/** The emitters on which a holder can remove listeners. */
const targets: [string, (client: Redis | Cluster) => EventEmitter[]][] = [
  ['the client', (client) => [client]],
  [
    'its stream',
    (client) => (client instanceof Cluster ? client.nodes() : [client]).map((node) => node.stream),
  ],
  [
    'both',
    (client) =>
      client instanceof Cluster
        ? [client, ...client.nodes(), ...client.nodes().map((node) => node.stream)]
        : [client, client.stream],
  ],
]

const cases = removals.flatMap(([how, remove]) =>
  targets.map(
    ([what, of]) => [how, what, (client: Redis | Cluster) => of(client).forEach(remove)] as const,
  ),
)

function watchDestroys(pool: {
  on(event: 'destroy', listener: (d: PoolEvents['destroy'][0]) => void): unknown
}) {
  const ended: string[] = []
  pool.on('destroy', ({ reason }) => ended.push(reason))
  return ended
}

describe.each(transports)('over %s, a holder that calls', (transport) => {
  test.each(cases)(
    '%s of %s goes on working, and its connection is lent again',
    async (_, __, remove) => {
      const pool = openPool(connectionTo({ transport }), { max: 1 })
      const before = await idOf(pool)
      await pool.use(async (redis) => {
        remove(redis)
        expect(await redis.echo('mine')).toBe('mine')
      })
      expect(await idOf(pool)).toBe(before)
    },
  )

  test.each(cases)(
    '%s of %s: the pool notices when the idle connection ends',
    async (_, __, remove) => {
      const pool = openPool(connectionTo({ transport }), { max: 1 })
      const ended = watchDestroys(pool)
      const id = await pool.use(async (redis) => {
        remove(redis)
        return idOf(redis)
      })
      await observe((redis) => redis.client('KILL', 'ID', id))
      await expect.poll(() => pool.stats.size).toBe(0)
      expect(ended).toEqual(['lost'])
      expect(await idOf(pool)).not.toBe(id)
    },
  )

  test.each(cases)(
    '%s of %s: the pool notices when the lent connection ends',
    async (_, __, remove) => {
      const pool = openPool(connectionTo({ transport }), { max: 1 })
      const ended = watchDestroys(pool)
      const lease = await pool.acquire()
      const client = lease.resource
      remove(client)
      const id = await idOf(client)
      const asked = client.blpop('nothing:comes', 0).catch((error: unknown) => error)
      await observe((redis) => redis.client('KILL', 'ID', id))
      expect(await asked).toMatchObject({ message: 'Connection is closed.' })
      await expect.poll(() => ended).toEqual(['lost'])
      lease.release()
      expect(await idOf(pool)).not.toBe(id)
    },
  )
})

test('a holder can remove its own listeners', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.use((redis) => {
    const heard: string[] = []
    const hear = (): void => void heard.push('heard')
    redis.on('end', hear).on('mine', hear).once('mine', hear)
    redis.off('end', hear)
    expect(redis.listeners('end')).not.toContain(hear)
    redis.on('end', hear).removeAllListeners()
    expect(redis.listeners('end')).not.toContain(hear)
    redis.emit('mine')
    expect(heard).toEqual([])
  })
})

const unusable: [string, (redis: Redis) => unknown][] = [
  ['disconnect()', (redis) => redis.disconnect()],
  ['disconnect(true)', (redis) => redis.disconnect(true)],
  ['quit()', (redis) => redis.quit()],
  ['stream.destroy()', (redis) => redis.stream.destroy()],
  ['stream.destroy(error)', (redis) => redis.stream.destroy(new Error('mine'))],
  ['stream.end()', (redis) => redis.stream.end()],
]
test.each(
  unusable.flatMap(([how, end]) => [true, false].map((retry) => [how, end, retry] as const)),
)('%s without listeners: the client is not lent again', async (_, end, retry) => {
  const options = retry ? { retryStrategy: () => 0 } : {}
  const pool = openPool({ ...connectionTo(), ...options }, { max: 1 })
  const client = await pool.use(async (redis) => {
    redis.removeAllListeners()
    redis.stream.removeAllListeners()
    await end(redis)
    return redis
  })
  const next = await pool.use(async (redis) => [redis === client, await redis.echo('mine')])
  expect(next).toEqual([false, 'mine'])
})

test('the pool notices the end of a client behind sentinels', async () => {
  const { connection, master } = await startOwnSentinel()
  const pool = openPool({ ...connection, failoverDetector: true }, { max: 1 })
  const ended = watchDestroys(pool)
  for (const [, , remove] of cases) {
    const id = await pool.use(async (redis) => {
      remove(redis)
      return idOf(redis)
    })
    await observe((redis) => redis.client('KILL', 'ID', id), addressOf(master))
    await expect.poll(() => pool.stats.size).toBe(0)
  }
  expect(ended).toEqual(cases.map(() => 'lost'))
})

test('the pool notices the end of the connection to a master of a cluster', async () => {
  const { connection } = await startOwnCluster()
  const pool = openClusterPool({ ...connection, scaleReads: 'all' }, { max: 1 })
  const ended = watchDestroys(pool)
  for (const [, , remove] of cases) {
    for (const idle of [true, false]) {
      const lease = await pool.acquire()
      const cluster = lease.resource
      await Promise.all(cluster.nodes().map((node) => node.ping()))
      remove(cluster)
      const [node] = cluster.nodes('master')
      const id = (await node?.client('ID')) ?? 0
      const { host = '', port = 0 } = node?.options ?? {}
      if (idle) lease.release()
      await observe((redis) => redis.client('KILL', 'ID', id), { host, port })
      const expected = [...ended, 'lost']
      await expect.poll(() => ended).toEqual(expected)
      if (!idle) lease.release()
    }
  }
})
