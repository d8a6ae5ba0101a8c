import { createForkSafePool, defineDriver } from '@forksafe/core'
import { inChild, type RecordingProxy } from '@forksafe/testkit'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { redisDriver } from '../src/index.ts'
import {
  expectSilentChild,
  expectWritten,
  fromClient,
  type Notice,
  outcomeOf,
  type Watched,
} from './support/forked.ts'
import {
  connectionTo,
  idOf,
  observe,
  openPool,
  openRecordedPool,
  type Options,
  seenByServer,
  startProxy,
  transports,
} from './support/pools.ts'

// Forks in states specific to Redis, over each transport, checked from both sides: the child closes every inherited
// descriptor without a byte and opens a connection of its own; the parent goes on with what it was doing.
// conformance.test.ts covers the states that every driver has.

const closed = { message: 'Connection is closed.' }

describe.each(transports)('over %s', (transport) => {
  let proxy: RecordingProxy
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ proxy, stop } = await startProxy(transport))
  })
  afterAll(() => stop())

  function openWatched(max: number, login: Options = {}): Watched {
    return { pool: openPool({ ...connectionTo({ transport, proxy }), ...login }, { max }), proxy }
  }

  describe.each<Notice>(['hooked', 'unhooked'])('a fork whose child is %s,', (notice) => {
    const key = `forked:${transport}:${notice}`
    beforeAll(() => observe((redis) => redis.del(key)))

    test('while a lent connection watches a key', async () => {
      const watched = openWatched(1)
      const { pool } = watched
      const lease = await pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      await client.watch(key)
      const look = () => {
        lease.release()
        return pool.stats
      }
      const { id, found } = await expectSilentChild(watched, notice, { clients: [client], look })
      expect(id).not.toBe(before)
      expect(found).toMatchObject({ size: 1, idle: 1, borrowed: 0 })
      expect(await client.multi().set(key, 'mine').get(key).exec()).toEqual([
        [null, 'OK'],
        [null, 'mine'],
      ])
      expect(await idOf(client)).toBe(before)
      lease.release()
    })

    test('in MULTI', async () => {
      const watched = openWatched(1)
      const { pool } = watched
      const lease = await pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      await client.multi({ pipeline: false })
      await client.set(key, 'queued')
      const look = async () => {
        lease.destroy()
        const seen = await pool.get(key)
        await pool.close()
        return seen
      }
      const { id, found } = await expectSilentChild(watched, notice, { clients: [client], look })
      expect(id).not.toBe(before)
      expect(found).not.toBe('queued')
      expect(await client.call('EXEC')).toEqual(['OK'])
      expect(await client.get(key)).toBe('queued')
      expect(await idOf(client)).toBe(before)
      lease.release()
    })

    test('in a blocking command', async () => {
      const watched = openWatched(1)
      const lease = await watched.pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      const popped = outcomeOf(client.blpop(`${key}:list`, 0))
      await expect
        .poll(() => seenByServer(before))
        .toMatchObject({ cmd: 'blpop', flags: expect.stringContaining('b') })
      const look = () => popped
      const { id, found } = await expectSilentChild(watched, notice, { clients: [client], look })
      expect(id).not.toBe(before)
      expect(found).toMatchObject(closed)
      await observe((redis) => redis.rpush(`${key}:list`, 'for the parent'))
      expect(await popped).toEqual([`${key}:list`, 'for the parent'])
      expect(await idOf(client)).toBe(before)
      lease.release()
    })

    test('while subscribed', async () => {
      const watched = openWatched(1)
      const lease = await watched.pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      const heard: string[] = []
      client.on('message', (_, message) => heard.push(message))
      await client.subscribe(key)
      const look = () => watched.pool.publish(key, 'from the child')
      const { id, found } = await expectSilentChild(watched, notice, { clients: [client], look })
      expect(id).not.toBe(before)
      // Only the parent receives it.
      expect(found).toBe(1)
      await observe((redis) => redis.publish(key, 'after it'))
      await expect.poll(() => heard).toEqual(['from the child', 'after it'])
      expect(await idOf(client)).toBe(before)
      lease.release()
    })

    test('with unanswered commands, on a client that is configured to resend', async () => {
      const asked = {
        retryStrategy: () => 0,
        enableOfflineQueue: true,
        maxRetriesPerRequest: null,
      }
      const watched = openWatched(1, asked)
      const lease = await watched.pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      const connection = (await proxy.connections()).at(-1)?.id ?? 0
      await proxy.hold({ connection, direction: 'fromServer' })
      const mark = await proxy.mark()
      const counted = [1, 2, 3].map(() => outcomeOf(client.incr(`${key}:n`)))
      await expectWritten(proxy, mark)
      // Longer than the delay before a reconnect.
      const look = async () => {
        for (let n = 0; n < 20; n++) await watched.pool.ping()
        return Promise.all(counted)
      }
      const { found } = await expectSilentChild(watched, notice, { clients: [client], look })
      expect(found).toMatchObject([closed, closed, closed])
      await proxy.resume({ connection })
      expect(await Promise.all(counted)).toEqual([1, 2, 3])
      expect(await observe((redis) => redis.get(`${key}:n`))).toBe('3')
      expect(await idOf(client)).toBe(before)
      lease.release()
    })
  })
})

test('a child that receives a reply in the middle of a reset detects the fork and sends nothing', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const lease = await pool.acquire()
  const client = lease.resource
  await client.watch('watched')
  // Only the child is to read the reply.
  client.stream.pause()
  const mark = await proxy.mark()
  const written = async () => {
    const records = await proxy.records({ since: mark, openedBefore: mark })
    return fromClient(records).map((record) =>
      record.kind === 'data' ? String(record.bytes) : record.kind,
    )
  }
  // Because of the unanswered command the reset starts with a PING; UNWATCH would be its next step.
  client.get('watched').catch(() => undefined)
  lease.release()
  await expect.poll(async () => (await written()).join('')).toContain('ping')
  const before = await written()
  const found = await inChild(
    async () => {
      const noticed = new Promise((resolve) => pool.once('processChange', () => resolve('noticed')))
      client.stream.resume()
      return Promise.race([
        noticed,
        new Promise((resolve) => setTimeout(resolve, 500, 'saw nothing')),
      ])
    },
    { afterFork: false },
  )
  expect(found).toBe('noticed')
  expect(await written()).toEqual(before)
})

test('a discard that calls ioredis’s disconnect is detected and ends the parent’s connection', async () => {
  const { proxy, pool: other } = await openRecordedPool('plain')
  await other.close()
  const impolite = defineDriver({ ...redisDriver, discard: (client) => client.disconnect() })
  const pool = createForkSafePool(impolite, { connection: connectionTo({ proxy }), max: 1 })
  onTestFinished(() => pool.close())
  const before = await pool.use(idOf)
  const mark = await proxy.mark()
  await inChild(() => new Promise((resolve) => setTimeout(resolve, 100)))
  expect(await proxy.records({ since: mark, openedBefore: mark })).not.toEqual([])
  await expect.poll(() => seenByServer(before)).toBeUndefined()
})
