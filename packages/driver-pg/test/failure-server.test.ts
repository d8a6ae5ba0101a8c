import { LeaseReleasedError } from '@forksafe/core'
import type { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { backendPid, fill, openPool } from './support/pools.ts'

const own = useOwnServer()

/** What a query sees whose connection ended under it: the server's last word, or none. */
const LOST = /^(terminating connection|Connection terminated unexpectedly|read ECONNRESET|write E)/

describe('a server that is restarted under load', () => {
  test.each(['fast', 'immediate'] as const)(
    '(%s) fails the queries that it was at, and answers all others',
    async (mode) => {
      const { server, connection } = own()
      const pool = openPool(connection, { max: 4, min: 2 })
      const { seen, stop } = startLoad(pool)
      await expect.poll(() => seen.right).toBeGreaterThan(100)
      await server.stopServer(mode)
      await expect.poll(() => pool.stats.size).toBe(0)
      const failed = seen.errors.length
      const before = seen.right
      await server.startServer()
      await expect.poll(() => seen.right - before).toBeGreaterThan(100)
      const { wrong, errors } = await stop()
      expect(wrong).toBe(0)
      // At most one for each connection, all when it stopped: whoever came later waited.
      expect(errors).toHaveLength(failed)
      expect(failed).toBeLessThanOrEqual(4)
      for (const { message } of errors) expect(message).toMatch(LOST)
    },
  )
})

describe('a session that is terminated', () => {
  const terminate = (pids: number[]): Promise<void> =>
    own().tell('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids])

  test('while idle costs nobody an error', async () => {
    const pool = openPool(own().connection, { max: 3, min: 3 })
    const before = await fill(pool, 3)
    await terminate(before)
    await expect.poll(() => pool.stats.idle).toBe(3)
    const after = await fill(pool, 3)
    expect(after.filter((pid) => before.includes(pid))).toEqual([])
  })

  test('in the middle of a query rejects it with 57P01, and is not lent again', async () => {
    const pool = openPool(own().connection, { max: 1 })
    const pid = await backendPid(pool)
    const answer = pool.query('SELECT pg_sleep(60)').catch((error: unknown) => error)
    await terminate([pid])
    expect(await answer).toMatchObject({ code: '57P01' })
    expect(await backendPid(pool)).not.toBe(pid)
  })

  test('between two queries of its holder makes the lease throw, with 57P01 as the cause', async () => {
    const pool = openPool(own().connection, { max: 1 })
    const lease = await pool.acquire()
    const client = lease.resource
    const pid = await backendPid(client)
    await terminate([pid])
    await expect.poll(() => pool.stats.borrowed).toBe(0)
    expect(lostCause(() => lease.resource)).toMatchObject({ code: '57P01' })
    await expect(client.query('SELECT 1')).rejects.toThrow('not queryable')
    lease.release()
    expect(await backendPid(pool)).not.toBe(pid)
  })

  test('in the middle of a transaction ends it', async () => {
    const { connection, tell } = own()
    await tell('CREATE TABLE ledger (n int)')
    onTestFinished(() => tell('DROP TABLE ledger'))
    const pool = openPool(connection, { max: 1 })
    const transaction = pool.transaction(async (client) => {
      await client.query('INSERT INTO ledger VALUES (1)')
      await terminate([await backendPid(client)])
      await client.query('INSERT INTO ledger VALUES (2)')
    })
    await expect(transaction).rejects.toThrow(/not queryable|terminating|terminated/)
    expect((await pool.query('SELECT n FROM ledger')).rows).toEqual([])
  })
})

describe('a limit of the server', () => {
  const limited = (options: string) => ({ ...own().connection, options })

  test('idle_in_transaction_session_timeout ends a lent session: the lease throws, with 25P03 as the cause', async () => {
    const pool = openPool(limited('-c idle_in_transaction_session_timeout=50'), { max: 1 })
    const lease = await pool.acquire()
    await lease.resource.query('BEGIN')
    await expect.poll(() => pool.stats.borrowed).toBe(0)
    expect(lostCause(() => lease.resource)).toMatchObject({ code: '25P03' })
    lease.release()
    expect(await pool.use((client) => client.getTransactionStatus())).toBe('I')
  })

  test('idle_session_timeout ends idle sessions, and nobody sees an error', async () => {
    const pool = openPool(own().connection, { max: 2 })
    const before = await fill(pool, 2)
    // From now on: a busy machine may take longer to open both.
    const limit = () => pool.query('SET idle_session_timeout = 50')
    await Promise.all([limit(), limit()])
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(before).not.toContain(await backendPid(pool))
  })

  test('statement_timeout rejects the query with 57014, and the connection stays usable', async () => {
    const pool = openPool(limited('-c statement_timeout=500'), { max: 1 })
    const pid = await backendPid(pool)
    await expect(pool.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57014' })
    expect(await backendPid(pool)).toBe(pid)
  })
})

/** Why the resource of a lease was lost. */
function lostCause(use: () => Client): unknown {
  try {
    use()
  } catch (error) {
    expect(error).toBeInstanceOf(LeaseReleasedError)
    return (error as LeaseReleasedError).cause
  }
  throw new Error('Expected the lease to have lost its resource.')
}
