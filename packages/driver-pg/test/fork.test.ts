import { createForkSafePool, defineDriver } from '@forksafe/core'
import { fork, type ForkedChild, inChild, startRecordingProxy } from '@forksafe/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pgDriver } from '../src/index.ts'
import { expectWritten, fromClient } from './support/forked.ts'
import {
  backendPid,
  connectionTo,
  fill,
  openPool,
  openRecordedPool,
  sessionsAlive,
  target,
  transports,
} from './support/pools.ts'
import { blockUntilEnded } from '@forksafe/scripts/forked'

// Each state that a connection may be in is in fork-states.test.ts and fork-opening.test.ts.

describe.each(transports)('over %s', (transport) => {
  test('a child writes not one byte and no end on the connections it inherited', async () => {
    const { pool, proxy } = await openRecordedPool(transport, { max: 4 })
    await fill(pool, 3)
    using lease = await pool.acquire()
    await lease.resource.query('BEGIN')
    const mark = await proxy.mark()
    await inChild(async () => {
      await fill(pool, 4)
      await pool.close()
    })
    expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
    const opened = (await proxy.connections()).filter(({ openedBy }) => openedBy !== process.pid)
    expect(opened).toHaveLength(4)
  })

  test('prepared statements of the parent are still prepared', async () => {
    const pool = openPool(connectionTo({ transport }), { max: 1 })
    const statement = { name: 'plus_one', text: 'SELECT $1::int + 1 AS sum' }
    await pool.query(statement, [1])
    const inParent = 'SELECT name FROM pg_prepared_statements'
    // In the child the statement must be prepared anew: its session has never seen it.
    const sum = await inChild(async () => {
      const { rows: known } = await pool.query(inParent)
      return { known, ...(await pool.query<{ sum: number }>(statement, [2])).rows[0] }
    })
    expect(sum).toEqual({ known: [], sum: 3 })
    expect((await pool.query(inParent)).rows).toEqual([{ name: 'plus_one' }])
    expect((await pool.query(statement, [3])).rows).toEqual([{ sum: 4 }])
  })

  test('a child that never touches the pool steals nothing', async () => {
    const { pool, proxy } = await openRecordedPool(transport, { max: 2 })
    await fill(pool, 2)
    const mark = await proxy.mark()
    const idle = await fork(() => new Promise((resolve) => setTimeout(resolve, 300)))
    for (let n = 0; n < 100; n++) {
      expect((await pool.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }])
    }
    await idle.result
    const ends = (await proxy.records({ since: mark })).filter(({ kind }) => kind !== 'data')
    expect(ends).toEqual([])
  })
})

test('twenty children at once each have sessions of their own, while the parent works on', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  const before = await fill(pool, 2)
  const children: ForkedChild<number>[] = []
  for (let n = 0; n < 20; n++) children.push(await fork(() => backendPid(pool)))
  for (let n = 0; n < 200; n++) {
    expect((await pool.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }])
  }
  const sessions = await Promise.all(children.map(({ result }) => result))
  expect(new Set([...sessions, ...before]).size).toBe(22)
  expect(await fill(pool, 2)).toEqual(before)
})

test('a grandchild has a third session, and each process the one it opened', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const parent = await backendPid(pool)
  const [child, grandchild, childAgain] = await inChild(async () => {
    const own = await backendPid(pool)
    const below = await inChild(() => backendPid(pool))
    return [own, below, await backendPid(pool)]
  })
  expect(new Set([parent, child, grandchild]).size).toBe(3)
  expect(childAgain).toBe(child)
  expect(await backendPid(pool)).toBe(parent)
})

test('a grandchild whose parent never used the pool has its own session', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const parent = await backendPid(pool)
  const grandchild = await inChild(() => inChild(() => backendPid(pool)))
  expect(grandchild).not.toBe(parent)
  expect(await backendPid(pool)).toBe(parent)
})

test.each(['child', 'parent'])(
  'the %s may be the first to use the pool after the fork',
  async (first) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const before = await backendPid(pool)
    const child = await fork(async () => {
      if (first === 'parent') await new Promise((resolve) => setTimeout(resolve, 300))
      return backendPid(pool)
    })
    if (first === 'child') await child.result
    expect(await backendPid(pool)).toBe(before)
    expect(await child.result).not.toBe(before)
    expect(await backendPid(pool)).toBe(before)
  },
)

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

test('a child holds none of the connections open that it inherited', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 2 })
  await fill(pool, 2)
  const child = await fork(() => new Promise((resolve) => setTimeout(resolve, 500)))
  await expect
    .poll(async () => (await proxy.connections()).map(({ holders }) => holders))
    .toEqual([[process.pid], [process.pid]])
  await child.result
})

test('the test can fail: a driver that says goodbye instead is detected, and harms the parent', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const impolite = defineDriver({ ...pgDriver, discard: (client) => void client.end() })
  const pool = createForkSafePool(impolite, { connection: connectionTo({ proxy }), max: 1 })
  onTestFinished(() => pool.close())
  const before = await backendPid(pool)
  const mark = await proxy.mark()
  await inChild(() => new Promise((resolve) => setTimeout(resolve, 100)))
  expect(await proxy.records({ since: mark, openedBefore: mark })).not.toEqual([])
  await expect.poll(() => sessionsAlive([before])).toEqual([])
})

test('a child that reads what the parent waits for before its COMMIT sends none', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  let mark = 0
  const transaction = pool.transaction(async (client) => {
    await proxy.hold({ direction: 'fromServer' })
    mark = await proxy.mark()
    // Nobody waits for its answer, so that COMMIT has to.
    client.query('SELECT 1').catch(() => undefined)
  })
  const settled = transaction.then(
    () => 'committed',
    (error: Error) => error.name,
  )
  await expect.poll(() => mark).toBeGreaterThan(0)
  await expectWritten(proxy, mark)
  const child = await fork(
    async () => {
      await proxy.resume()
      return Promise.race([settled, new Promise((resolve) => setTimeout(resolve, 8_000))])
    },
    { afterFork: false },
  )
  blockUntilEnded(child.pid)
  expect(await child.result).toBe('StaleResourceError')
  const sent = fromClient(await proxy.records({ since: mark, openedBefore: mark }))
  expect(
    sent.map((record) => (record.kind === 'data' ? String(record.bytes) : record.kind)).join(),
  ).not.toContain('COMMIT')
})
