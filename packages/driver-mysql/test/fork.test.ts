import { createForkSafePool, defineDriver } from '@forksafe/core'
import { blockUntilEnded } from '@forksafe/scripts/forked'
import { fork, type ForkedChild, inChild } from '@forksafe/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { mysqlDriver } from '../src/index.ts'
import {
  connectionTo,
  fill,
  openPool,
  openRecordedPool,
  sessionId,
  sessionsAlive,
  startProxy,
  transports,
} from './support/pools.ts'

// Each state that a connection may be in is in fork-states.test.ts.

describe.each(transports)('over %s', (transport) => {
  test('a child writes not one byte and no end on the connections it inherited', async () => {
    const { pool, proxy } = await openRecordedPool(transport, { max: 4 })
    await fill(pool, 3)
    using lease = await pool.acquire()
    await lease.resource.query('BEGIN')
    const mark = await proxy.mark()
    await inChild(async () => {
      await fill(pool, 4)
      // Whatever would write when it is collected.
      globalThis.gc?.()
      await pool.close()
    })
    expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
    expect(await proxy.connections()).toHaveLength(3 + 4)
  })

  test('a child that never touches the pool steals nothing', async () => {
    const { pool, proxy } = await openRecordedPool(transport, { max: 2 })
    await fill(pool, 2)
    const mark = await proxy.mark()
    const idle = await fork(() => new Promise((resolve) => setTimeout(resolve, 300)))
    for (let n = 0; n < 100; n++) {
      expect((await pool.execute('SELECT ? AS n', [n]))[0]).toEqual([{ n }])
    }
    await idle.result
    const ends = (await proxy.records({ since: mark })).filter(({ kind }) => kind !== 'data')
    expect(ends).toEqual([])
  })
})

test('ten children at once each have their own sessions, while the parent keeps working', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  const before = await fill(pool, 2)
  const children: ForkedChild<number>[] = []
  for (let n = 0; n < 10; n++) children.push(await fork(() => sessionId(pool)))
  for (let n = 0; n < 200; n++) {
    expect((await pool.query('SELECT ? AS n', [n]))[0]).toEqual([{ n }])
  }
  const sessions = await Promise.all(children.map(({ result }) => result))
  expect(new Set([...sessions, ...before]).size).toBe(12)
  expect(await fill(pool, 2)).toEqual(before)
})

test('a grandchild has a third session, and each process the one it opened', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const parent = await sessionId(pool)
  const [child, grandchild, childAgain] = await inChild(async () => {
    const own = await sessionId(pool)
    const below = await inChild(() => sessionId(pool))
    return [own, below, await sessionId(pool)]
  })
  expect(new Set([parent, child, grandchild]).size).toBe(3)
  expect(childAgain).toBe(child)
  expect(await sessionId(pool)).toBe(parent)
})

test.each(['commits', 'rolls back'])(
  'a transaction of the parent that goes on in a child which has noticed nothing %s nothing there',
  async (end) => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    let finish = (): void => undefined
    let started = (): void => undefined
    const running = new Promise<void>((resolve) => (started = resolve))
    const transaction = pool.transaction(() => {
      started()
      return new Promise<void>((resolve, reject) => {
        finish = end === 'commits' ? resolve : () => reject(new Error('changed my mind'))
      })
    })
    const settled = transaction.catch((error: Error) => error.message)
    await running
    const mark = await proxy.mark()
    await inChild(
      async () => {
        finish()
        await new Promise((resolve) => setTimeout(resolve, 100))
      },
      { afterFork: false },
    )
    expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
    finish()
    expect(await settled).toBe(end === 'commits' ? undefined : 'changed my mind')
  },
)

test('a child that is answered in the middle of a reset notices, and goes no step further', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const lease = await pool.acquire()
  const client = lease.resource
  await client.query('SET @left = 1')
  await proxy.hold({ direction: 'fromServer' })
  const mark = await proxy.mark()
  lease.release()
  const written = async () => {
    const records = await proxy.records({ since: mark, openedBefore: mark })
    return records.filter((record) => record.kind !== 'data' || record.direction === 'fromClient')
  }
  await expect.poll(written).toHaveLength(1)
  const child = await fork(
    async () => {
      const noticed = new Promise((resolve) => pool.once('processChange', () => resolve('noticed')))
      await proxy.resume()
      return Promise.race([
        noticed,
        new Promise((resolve) => setTimeout(resolve, 8_000, 'saw nothing')),
      ])
    },
    { afterFork: false },
  )
  blockUntilEnded(child.pid)
  expect(await child.result).toBe('noticed')
  expect(await written()).toHaveLength(1)
})

test('the test can fail: mysql2’s own `destroy()` is seen, and ends the parent’s session', async () => {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  const impolite = defineDriver({ ...mysqlDriver, discard: (client) => client.destroy() })
  const pool = createForkSafePool(impolite, { connection: connectionTo({ proxy }), max: 1 })
  onTestFinished(() => pool.close())
  const before = await sessionId(pool)
  const mark = await proxy.mark()
  await inChild(() => new Promise((resolve) => setTimeout(resolve, 100)))
  expect(await proxy.records({ since: mark, openedBefore: mark })).not.toEqual([])
  await expect.poll(() => sessionsAlive([before])).toEqual([])
})
