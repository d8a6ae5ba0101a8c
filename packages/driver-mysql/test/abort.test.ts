import { inChild } from '@forksafe/testkit'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import {
  connectionTo,
  openPool,
  openRecordedPool,
  running,
  sessionId,
  transports,
} from './support/pools.ts'

test.each(['query', 'execute'] as const)(
  'an aborted `%s` rejects with the reason, and runs on the server no longer',
  async (verb) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const id = await sessionId(pool)
    const controller = new AbortController()
    const { signal } = controller
    const query = pool[verb]('SELECT SLEEP(60), 101', [], { signal })
    await expect.poll(() => running('101')).toBe(1)
    const reason = new Error('changed my mind')
    controller.abort(reason)
    await expect(query).rejects.toBe(reason)
    await expect.poll(() => running('101')).toBe(0)
    // The same connection, and clean.
    expect(await sessionId(pool)).toBe(id)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  },
)

test('a query whose signal has already aborted is not sent', async () => {
  const pool = openPool(connectionTo())
  const signal = AbortSignal.abort(new Error('too late'))
  await expect(pool.query('SELECT 1', [], { signal })).rejects.toThrow('too late')
  expect(pool.stats.size).toBe(0)
})

test('an abort while the query waits for a connection leaves the queue', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  using lease = await pool.acquire()
  const controller = new AbortController()
  const query = pool.query('SELECT 1', [], { signal: controller.signal })
  expect(pool.stats.waiting).toBe(1)
  controller.abort(new Error('no longer needed'))
  await expect(query).rejects.toThrow('no longer needed')
  expect(pool.stats.waiting).toBe(0)
  expect(lease.generation).toBe(1)
})

test('a cancel never strikes the next holder of the connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  // The abort comes before, during and after the statement, and the next holder is always waiting.
  for (let round = 0; round < 60; round++) {
    const signal = AbortSignal.timeout(round % 6)
    const aborted = pool.query('SELECT SLEEP(0.003)', [], { signal }).catch(() => undefined)
    const [rows] = await pool.query('SELECT SLEEP(0.002), ? AS n', [round])
    expect(rows).toMatchObject([{ 'SLEEP(0.002)': 0, n: round }])
    await aborted
  }
})

test.each(transports)('an abort is passed on over %s', async (transport) => {
  const { pool } = await openRecordedPool(transport, { max: 1 })
  const controller = new AbortController()
  const query = pool.query('SELECT SLEEP(60), 102', [], { signal: controller.signal })
  await expect.poll(() => running('102')).toBe(1)
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  await expect.poll(() => running('102')).toBe(0)
})

test('if the server cannot be reached, the caller does not wait, and the connection is not lent again', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const id = await sessionId(pool)
  const controller = new AbortController()
  const query = pool.query('SELECT SLEEP(1), 103', [], { signal: controller.signal })
  await expect.poll(() => running('103')).toBe(1)
  await proxy.refuse()
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  await expect.poll(() => pool.stats.size).toBe(0)
  await proxy.accept()
  expect(await sessionId(pool)).not.toBe(id)
})

test.each([true, false])(
  'an abort in a forked child ends nothing of its parent’s (afterFork: %s)',
  async (afterFork) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const controller = new AbortController()
    const query = pool.query('SELECT SLEEP(0.5), 105 AS n', [], { signal: controller.signal })
    const answer = query.catch((error: Error) => error.message)
    await expect.poll(() => running('105')).toBe(1)
    const inTheChild = await inChild(
      async () => {
        controller.abort(new Error('aborted in the child'))
        // Long enough for a request to be sent and heard.
        await new Promise((resolve) => setTimeout(resolve, 150))
        return answer
      },
      { afterFork },
    )
    expect(inTheChild).toEqual(expect.any(String))
    expect(await answer).toMatchObject([[{ 'SLEEP(0.5)': 0, n: 105 }], expect.anything()])
  },
)
