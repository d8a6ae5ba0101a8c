import { AcquireTimeoutError, PoolClosedError } from '@forksafe/core'
import { describe, expect, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { backendPid, fill, openPool, openRecordedPool } from './support/pools.ts'

/** Nothing is waited for that long: who ends at all, ends before. */
const FOR_EVER = 600_000

describe('a network that silently drops packets', () => {
  test('holds no caller past its deadline, whatever it waits for', async () => {
    const options = { max: 2, validateAfterIdleMillis: 0, validateTimeoutMillis: 100 }
    const { pool, proxy } = await openRecordedPool('plain', options)
    await fill(pool, 2)
    await proxy.hold()
    const callers = [100, 250, 600].map((timeoutMillis) =>
      pool.acquire({ timeoutMillis }).catch((error: unknown) => error),
    )
    for (const error of await Promise.all(callers))
      expect(error).toBeInstanceOf(AcquireTimeoutError)
    await proxy.resume()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('ends what is being opened after `createTimeoutMillis`, which those who wait are told', async () => {
    const options = { max: 1, createTimeoutMillis: 100, acquireTimeoutMillis: 400 }
    const { pool, proxy } = await openRecordedPool('plain', options)
    await proxy.hold()
    const error = await pool.query('SELECT 1').catch((error: unknown) => error)
    expect(error).toMatchObject({ phase: 'creating' })
    expect(error).toHaveProperty('cause.message', expect.stringContaining('longer than 100 ms'))
  })

  test('does not hold a query past its signal', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    await backendPid(pool)
    await proxy.hold()
    const signal = AbortSignal.timeout(100)
    const error = await pool.query('SELECT 1', [], { signal }).catch((thrown: unknown) => thrown)
    expect(error).toBe(signal.reason)
    await proxy.resume()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test("does not hold a query past pg's `query_timeout`, and its connection is replaced", async () => {
    const { proxy, pool: through } = await openRecordedPool('plain')
    const pid = await backendPid(through)
    const { host, port } = proxy
    const user = 'postgres'
    const connection = { host, port, user, database: user, query_timeout: 100 }
    const pool = openPool(connection, { max: 1, validateTimeoutMillis: 100 })
    const before = await backendPid(pool)
    await proxy.hold()
    await expect(pool.query('SELECT 1')).rejects.toThrow('Query read timeout')
    // It was asked to roll back, and did not answer.
    await expect.poll(() => pool.stats.size).toBe(0)
    await proxy.resume()
    expect([pid, before]).not.toContain(await backendPid(pool))
  })

  test('does not keep the place of a connection that was given back in a transaction', async () => {
    const options = { max: 1, validateTimeoutMillis: 100, acquireTimeoutMillis: FOR_EVER }
    const { pool, proxy } = await openRecordedPool('plain', options)
    const lease = await pool.acquire()
    await lease.resource.query('BEGIN')
    const [{ id } = { id: 0 }] = await proxy.connections()
    await proxy.hold({ connection: id })
    lease.release()
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('does not keep a pool from closing: waiting callers are rejected at the deadline', async () => {
    const options = { max: 1, destroyTimeoutMillis: 100, acquireTimeoutMillis: FOR_EVER }
    const { pool, proxy } = await openRecordedPool('plain', options)
    const lease = await pool.acquire()
    await proxy.hold()
    const answer = lease.resource.query('SELECT 1').catch((error: unknown) => error)
    const waiting = pool.acquire().catch((error: unknown) => error)
    await pool.close({ deadlineMillis: 100 })
    expect(await waiting).toBeInstanceOf(PoolClosedError)
    expect(await answer).toHaveProperty('message', 'Connection terminated')
    expect(pool.stats.size).toBe(0)
  })
})

describe('a network', () => {
  test('that is cut fails the queries under way, and nothing else', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 4 })
    const { seen, stop } = startLoad(pool)
    await expect.poll(() => seen.right).toBeGreaterThan(100)
    for (const how of ['reset', 'end'] as const) {
      const { right } = seen
      await proxy.cut({ how })
      await expect.poll(() => seen.right - right).toBeGreaterThan(100)
    }
    const { wrong, errors } = await stop()
    expect(wrong).toBe(0)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThanOrEqual(8)
    for (const { message } of errors)
      expect(message).toMatch(/^(Connection terminated unexpectedly|read ECONNRESET|write E)/)
  })

  test('that is slow makes everything slow, and nothing wrong', async () => {
    const options = { max: 4, validateAfterIdleMillis: 0 }
    const { pool, proxy } = await openRecordedPool('plain', options)
    await proxy.delay(30)
    const { seen, stop } = startLoad(pool)
    await expect.poll(() => seen.right).toBeGreaterThan(20)
    expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
  })

  test('that refuses connections keeps callers waiting until it accepts them again', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 2 })
    await fill(pool, 2)
    await proxy.refuse()
    await proxy.cut()
    await expect.poll(() => pool.stats.size).toBe(0)
    const answer = pool.query('SELECT 1 AS one')
    await expect.poll(() => pool.stats.waiting).toBe(1)
    await proxy.accept()
    expect((await answer).rows).toEqual([{ one: 1 }])
  })
})
