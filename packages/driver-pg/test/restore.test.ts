import {
  afterRestore,
  createForkSafePool,
  type PoolEvents,
  StaleResourceError,
} from '@forksafe/core'
import { proves } from '@forksafe/scripts/proof'
import type { RecordingProxy } from '@forksafe/testkit'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { pgDriver } from '../src/index.ts'
import {
  backendPid,
  connectionTo,
  fill,
  openRecordedPool,
  sessionsAlive,
  transports,
} from './support/pools.ts'

// What `afterRestore()` does in each state. This process is no copy, so the server sees its sockets close. What it must
// not see is a word: in a restored process the other end belongs to somebody else, or to nobody.

/** Every byte that clients wrote since the mark on connections that were open then: as nothing may have been. */
async function saidSince(mark: number, proxy: RecordingProxy): Promise<string[]> {
  const records = await proxy.records({ since: mark, openedBefore: mark })
  return records.flatMap((record) =>
    record.kind === 'data' && record.direction === 'fromClient'
      ? [record.bytes.toString('latin1')]
      : [],
  )
}

/** Waits until a client has written something that begins so. */
async function expectSent(proxy: RecordingProxy, begin: string): Promise<void> {
  const sent = async () =>
    (await proxy.records()).flatMap((record) =>
      record.kind === 'data' ? [record.bytes.toString('latin1').slice(0, begin.length)] : [],
    )
  await expect.poll(sent).toContain(begin)
}

/** Restores, and makes sure that nothing was said, that no connection from before is held, and that the pool works. */
async function expectSilentRestore(
  pool: Awaited<ReturnType<typeof openRecordedPool>>['pool'],
  proxy: RecordingProxy,
): Promise<void> {
  const mark = await proxy.mark()
  const inherited = await proxy.connections()
  const { generation } = pool.stats
  afterRestore()
  expect(pool.stats).toMatchObject({ size: 0, idle: 0, borrowed: 0, waiting: 0 })
  await proxy.resume()
  const holders = async () =>
    (await proxy.connections()).slice(0, inherited.length).flatMap(({ holders }) => holders)
  await expect.poll(holders).toEqual([])
  expect(await saidSince(mark, proxy)).toEqual([])
  expect(pool.stats.generation).toBe(generation + 1)
  expect(await sessionsAlive([await backendPid(pool)])).toHaveLength(1)
  expect(await proxy.connections()).toHaveLength(inherited.length + 1)
}

describe('a restore', () => {
  test(
    'of a pool that was not used leaves one that works',
    proves({ restore: ['unused'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool('plain')
      await expectSilentRestore(pool, proxy)
    },
  )

  test('ends no transaction with a word', proves({ restore: ['transaction'] }), async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    let goOn = (): void => undefined
    let begun = (): void => undefined
    const running = new Promise<void>((resolve) => (begun = resolve))
    const transaction = pool
      .transaction(async (client) => {
        await client.query('SELECT 1')
        begun()
        await new Promise<void>((resolve) => (goOn = resolve))
      })
      .catch((error: unknown) => error)
    await running
    await expectSilentRestore(pool, proxy)
    const mark = await proxy.mark()
    goOn()
    expect(await transaction).toBeInstanceOf(StaleResourceError)
    expect(await saidSince(mark, proxy)).toEqual([])
  })

  test(
    'discards a connection in the middle of a large answer',
    proves({ restore: ['query'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
      await backendPid(pool)
      await proxy.hold({ direction: 'fromServer' })
      const before = (await proxy.connections())[0]?.bytesFromServer ?? 0
      const text = "SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n"
      const answer = pool.query(text).catch((error: unknown) => error)
      await expect
        .poll(async () => ((await proxy.connections())[0]?.bytesFromServer ?? 0) - before)
        .toBeGreaterThan(1_000_000)
      await expectSilentRestore(pool, proxy)
      expect(await answer).toBeInstanceOf(Error)
    },
  )

  test('gives up a TCP connect', proves({ restore: ['connecting'] }), async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    const opening = pool.query('SELECT 1').catch((error: unknown) => error)
    // connect(2) has been called then, and its end has not been seen.
    await new Promise((resolve) => process.nextTick(resolve))
    expect(pool.stats.creating).toBe(1)
    afterRestore()
    expect(await opening).toBeInstanceOf(StaleResourceError)
    expect(await sessionsAlive([await backendPid(pool)])).toHaveLength(1)
    const connections = await proxy.connections()
    expect(connections.map(({ bytesFromClient }) => bytesFromClient > 0)).toEqual([false, true])
    expect(connections[0]?.holders).toEqual([])
  })

  test('rejects whoever waits', proves({ restore: ['waiting'] }), async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    await pool.acquire()
    const waiting = pool.acquire().catch((error: unknown) => error)
    await expectSilentRestore(pool, proxy)
    expect(await waiting).toBeInstanceOf(StaleResourceError)
  })

  test(
    'settles a close, and discards what was left',
    proves({ restore: ['closing'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool('plain', { max: 2 })
      const lease = await pool.acquire()
      await backendPid(lease.resource)
      const closing = pool.close()
      const mark = await proxy.mark()
      afterRestore()
      await closing
      expect(() => lease.resource).toThrow(StaleResourceError)
      const holders = async () => (await proxy.connections()).flatMap(({ holders }) => holders)
      await expect.poll(holders).toEqual([])
      expect(await saidSince(mark, proxy)).toEqual([])
    },
  )
})

describe.each(transports)('a restore, over %s,', (transport) => {
  test(
    'discards what is idle, and the next acquire opens one connection of its own',
    proves({ restore: ['idle', 'next'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool(transport, { min: 3, max: 3 })
      await fill(pool, 3)
      const mark = await proxy.mark()
      afterRestore()
      expect(await saidSince(mark, proxy)).toEqual([])
      // Nobody uses the pool: nothing is opened, whatever `min` says.
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(await proxy.connections()).toHaveLength(3)
      const using = backendPid(pool)
      expect(pool.stats.creating).toBe(1)
      expect(await sessionsAlive([await using])).toHaveLength(1)
    },
  )

  test(
    'discards what is lent: its lease is stale, and its release does nothing',
    proves({ restore: ['lent'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool(transport, { max: 1 })
      const lease = await pool.acquire()
      await expectSilentRestore(pool, proxy)
      expect(() => lease.resource).toThrow(StaleResourceError)
      lease.release()
      lease.release()
      expect(pool.stats).toMatchObject({ size: 1, idle: 1, borrowed: 0 })
    },
  )

  test(
    'gives up a connection whose server has not answered yet',
    proves({ restore: transport === 'TLS' ? ['handshake'] : ['authenticating'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool(transport, { max: 1 })
      if (transport === 'TLS') {
        await proxy.delay(150)
        void pool.query('SELECT 1').catch(() => undefined)
        await expectSent(proxy, '\x16')
        await proxy.hold()
        await proxy.delay(0)
      } else {
        await proxy.hold()
        void pool.query('SELECT 1').catch(() => undefined)
        await expectSent(proxy, '\0')
      }
      expect(pool.stats.creating).toBe(1)
      await expectSilentRestore(pool, proxy)
    },
  )

  test(
    'abandons what is being validated, reset and destroyed',
    proves({ restore: ['validating', 'resetting', 'destroying'] }),
    async () => {
      const { pool, proxy } = await openRecordedPool(transport, { validateAfterIdleMillis: 0 })
      const [idle, dirty, broken] = await Promise.all([
        pool.acquire(),
        pool.acquire(),
        pool.acquire(),
      ])
      idle.release()
      await dirty.resource.query('BEGIN')
      await proxy.hold()
      const before = await bytesWritten(proxy)
      dirty.release()
      broken.destroy()
      // One waits for what is being reset, and the other for what is idle and must be validated.
      const waiting = Promise.allSettled([pool.acquire(), pool.acquire()])
      expect(pool.stats).toMatchObject({ size: 3, idle: 0, borrowed: 0, destroying: 1 })
      // All three have sent what they had to.
      await expect
        .poll(async () => (await bytesWritten(proxy)).every((bytes, n) => bytes > (before[n] ?? 0)))
        .toBe(true)
      await expectSilentRestore(pool, proxy)
      for (const outcome of await waiting) {
        expect(outcome).toHaveProperty('reason', expect.any(StaleResourceError))
      }
    },
  )
})

async function bytesWritten(proxy: RecordingProxy): Promise<number[]> {
  return (await proxy.connections()).map(({ bytesFromClient }) => bytesFromClient)
}

test(
  'after a restore no timer of before does anything, and the pool keeps its listeners, options and methods',
  proves({ restore: ['timers', 'listeners'] }),
  async () => {
    const { pool, proxy } = await openRecordedPool('plain', {
      keepaliveMillis: 50,
      max: 3,
      name: 'kept',
    })
    const changes: PoolEvents['processChange'][0][] = []
    const created = vi.fn<() => void>()
    pool.on('processChange', (change) => changes.push(change))
    pool.on('create', created)
    await fill(pool, 3)
    const mark = await proxy.mark()
    // The keepalive is at work.
    await expect.poll(async () => (await saidSince(mark, proxy)).length).toBeGreaterThan(3)
    afterRestore()
    const restored = await proxy.mark()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await saidSince(restored, proxy)).toEqual([])
    expect(changes).toMatchObject([{ reason: 'restore', generation: 2, discarded: 3 }])
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect(created).toHaveBeenCalledTimes(4)
    expect(pool.stats).toMatchObject({ name: 'kept', max: 3 })
  },
)

test(
  'after a restore nothing of the old generation is kept',
  proves({ restore: ['generation'] }),
  async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 3 })
    const clients = await (async () => {
      const leases = await Promise.all([pool.acquire(), pool.acquire()])
      const references = leases.map(({ resource }) => new WeakRef(resource))
      leases[0].release()
      return references
    })()
    afterRestore()
    await expect
      .poll(async () => (await proxy.connections()).flatMap(({ holders }) => holders))
      .toEqual([])
    await expect
      .poll(() => {
        globalThis.gc?.()
        return clients.map((client) => client.deref())
      })
      .toEqual([undefined, undefined])
  },
)

test('the proof is no empty one: a driver that says goodbye instead is heard', async () => {
  const { proxy } = await openRecordedPool('plain')
  const impolite = {
    ...pgDriver,
    discard: (client: Parameters<typeof pgDriver.discard>[0]) => void client.end(),
  }
  const pool = createForkSafePool(impolite, {
    connection: connectionTo({ proxy }),
  })
  onTestFinished(() => pool.close())
  await pool.query('SELECT 1')
  const mark = await proxy.mark()
  afterRestore()
  await expect.poll(() => saidSince(mark, proxy)).toEqual(['X\0\0\0\x04'])
})
