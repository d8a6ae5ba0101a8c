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

// A fork in states that only Redis knows, over each transport, proved from both sides: the child lets go of every
// descriptor without a byte and has a connection of its own; the parent goes on with what it was doing. The states that
// every driver has are in conformance.test.ts.

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

    test('while a connection is lent and watches a key', async () => {
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

    test('in a subscription', async () => {
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
      // Who hears it is the parent alone.
      expect(found).toBe(1)
      await observe((redis) => redis.publish(key, 'after it'))
      await expect.poll(() => heard).toEqual(['from the child', 'after it'])
      expect(await idOf(client)).toBe(before)
      lease.release()
    })

    test('with commands that have no answer yet, on a client that was told to send again', async () => {
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
      // It does something of its own for longer than the client would wait.
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

test('a child that is answered in the middle of a reset notices, and goes no step further', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const lease = await pool.acquire()
  const client = lease.resource
  await client.watch('watched')
  // The child alone is to read.
  client.stream.pause()
  const mark = await proxy.mark()
  const written = async () => {
    const records = await proxy.records({ since: mark, openedBefore: mark })
    return fromClient(records).map((record) =>
      record.kind === 'data' ? String(record.bytes) : record.kind,
    )
  }
  // What has no answer yet has the reset begin with a PING; the UNWATCH is its next step.
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

test('the proof is no empty one: what ioredis calls disconnecting is seen, and harms the parent', async () => {
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
