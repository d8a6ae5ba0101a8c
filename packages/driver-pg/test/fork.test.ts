import {
  createForkSafePool,
  defineDriver,
  LeaseReleasedError,
  StaleResourceError,
} from '@forksafe/core'
import { fork, type ForkedChild, inChild, startRecordingProxy } from '@forksafe/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pgDriver } from '../src/index.ts'
import {
  backendPid,
  connectionTo,
  fill,
  observe,
  openPool,
  openRecordedPool,
  sessionsAlive,
  target,
  transports,
} from './support/pools.ts'

describe.each(transports)('over %s', (transport) => {
  test('a child gets connections of its own, and the parent keeps its idle ones', async () => {
    const pool = openPool(connectionTo({ transport }), { max: 3 })
    const before = await fill(pool, 3)
    const inherited = await inChild(async () => ({
      pids: await fill(pool, 3),
      generation: pool.stats.generation,
    }))
    expect(inherited.pids).toHaveLength(3)
    expect(inherited.pids.filter((pid) => before.includes(pid))).toEqual([])
    expect(inherited.generation).toBe(2)
    expect(await fill(pool, 3)).toEqual(before)
    expect(pool.stats.generation).toBe(1)
  })

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

  test('an open transaction of the parent goes on, on its own session, and commits', async () => {
    const pool = openPool(connectionTo({ transport }))
    const table = `forked_${transport.toLowerCase()}`
    await pool.query(`CREATE TABLE ${table} (whose text)`)
    const commited = await pool.transaction(async (client) => {
      const state = 'SELECT pg_backend_pid() AS pid, txid_current()::text AS tx'
      await client.query(`INSERT INTO ${table} VALUES ('parent')`)
      const { rows: before } = await client.query(state)
      const seen = await inChild(async () => (await pool.query(`SELECT * FROM ${table}`)).rows)
      expect(seen).toEqual([])
      expect((await client.query(state)).rows).toEqual(before)
      return before
    })
    expect(commited).toHaveLength(1)
    expect(await observe(`SELECT * FROM ${table}`)).toEqual([{ whose: 'parent' }])
    await pool.query(`DROP TABLE ${table}`)
  })

  test('a query in flight is answered in the parent, to the last row', async () => {
    const pool = openPool(connectionTo({ transport }))
    const answer = pool.use((client) =>
      client.query('SELECT n, repeat(md5(n::text), 20) AS filler FROM generate_series(1, 20000) n'),
    )
    // The answer is on its way: some of it may have been read, most of it has not.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const child = await inChild(async () => (await pool.query('SELECT 1 AS one')).rows)
    expect(child).toEqual([{ one: 1 }])
    const { rows } = await answer
    expect(rows).toHaveLength(20_000)
    expect(rows.every(({ n }, index) => n === index + 1)).toBe(true)
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

test('a grandchild whose parent never used the pool has a session of its own', async () => {
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

test('a pool that was never used before the fork serves both processes', async () => {
  const pool = openPool(connectionTo())
  const child = await inChild(() => backendPid(pool))
  expect(await backendPid(pool)).not.toBe(child)
})

test('without afterFork() the child finds out at its first use', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const before = await backendPid(pool)
  const mark = await proxy.mark()
  const child = await inChild(() => backendPid(pool), { afterFork: false })
  expect(child).not.toBe(before)
  expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
  expect(await backendPid(pool)).toBe(before)
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

test('a lease of the parent is stale in the child, and its release there does nothing', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const lease = await pool.acquire()
  const pid = await lease.resource.query('SELECT pg_backend_pid()')
  for (const afterFork of [true, false]) {
    const child = await inChild(
      async () => {
        let error: unknown
        try {
          void lease.resource
        } catch (thrown) {
          error = thrown
        }
        lease.release()
        lease.release()
        const { borrowed, idle } = pool.stats
        return {
          stale: error instanceof StaleResourceError,
          borrowed,
          idle,
          pid: await backendPid(pool),
        }
      },
      { afterFork },
    )
    expect(child).toEqual({ stale: true, borrowed: 0, idle: 0, pid: expect.any(Number) })
  }
  expect((await lease.resource.query('SELECT pg_backend_pid()')).rows).toEqual(pid.rows)
  lease.release()
  expect(() => lease.release()).toThrow(LeaseReleasedError)
  expect(pool.stats).toMatchObject({ idle: 1, borrowed: 0, size: 1 })
})

test('whoever waits in the parent is served there, and told so in the child', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const lease = await pool.acquire()
  let outcome = 'waiting'
  const waiting = pool.acquire().then(
    (next) => {
      outcome = 'served'
      return next
    },
    (error: Error) => {
      outcome = error.name
      throw error
    },
  )
  const inTheChild = await inChild(async () => {
    await waiting.catch(() => undefined)
    return outcome
  })
  expect(inTheChild).toBe('StaleResourceError')
  expect(outcome).toBe('waiting')
  lease.release()
  ;(await waiting).release()
  expect(outcome).toBe('served')
})

test('a connection that is being opened is finished by the parent alone', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  await proxy.hold()
  const opening = backendPid(pool)
  await expect.poll(async () => (await proxy.connections()).length).toBe(1)
  const mark = await proxy.mark()
  await inChild(() => new Promise((resolve) => setTimeout(resolve, 300)))
  expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
  await proxy.resume()
  expect(await sessionsAlive([await opening])).toHaveLength(1)
})

test('a child holds none of the connections open that it inherited', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 2 })
  await fill(pool, 2)
  const child = await fork(() => new Promise((resolve) => setTimeout(resolve, 500)))
  await expect
    .poll(async () => (await proxy.connections()).map(({ holders }) => holders))
    .toEqual([[process.pid], [process.pid]])
  await child.result
})

test('the proof is no empty one: a driver that says goodbye instead is seen, and harms the parent', async () => {
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
