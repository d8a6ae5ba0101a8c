import { createForkSafePool } from '@forksafe/core'
import type { Client, Notification } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pgDriverWith } from '../src/index.ts'
import {
  backendPid,
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  sessionsAlive,
} from './support/pools.ts'

describe('a statement that the user named', () => {
  const named = (n: number) => ({ name: 'double', text: 'SELECT $1::int * 2 AS n', values: [n] })

  test('is parsed once for a connection, whoever holds it', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    expect((await pool.query(named(1))).rows).toEqual([{ n: 2 }])
    const mark = await proxy.mark()
    expect((await pool.query(named(2))).rows).toEqual([{ n: 4 }])
    expect(await pool.use(async (client) => (await client.query(named(3))).rows)).toEqual([
      { n: 6 },
    ])
    const sent = (await proxy.records({ since: mark })).flatMap((record) =>
      record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes.toString()] : [],
    )
    expect(sent.join('')).not.toContain('SELECT $1::int * 2')
    expect(sent.join('')).toContain('double')
  })

  test('is parsed anew on the connections of the next generation', async () => {
    const pool = openPool(connectionTo(), { max: 2 })
    const both = (n: number) => Promise.all([pool.query(named(n)), pool.query(named(n))])
    await both(1)
    pool.recycle()
    for (const { rows } of await both(4)) expect(rows).toEqual([{ n: 8 }])
    expect(pool.stats.generation).toBe(2)
  })

  test('is parsed again where its connection has forgotten it', async () => {
    const pool = openTidyPool('DISCARD ALL')
    const pid = await backendPid(pool)
    await pool.query(named(1))
    expect((await pool.query(named(5))).rows).toEqual([{ n: 10 }])
    expect(await backendPid(pool)).toBe(pid)
  })

  test('may not be another statement under the same name', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.query(named(1))
    const other = pool.query({ name: 'double', text: 'SELECT $1::int * 3 AS n', values: [1] })
    await expect(other).rejects.toThrow('Prepared statements must be unique')
    expect((await pool.query(named(6))).rows).toEqual([{ n: 12 }])
  })

  test('that failed is parsed again', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const early = { name: 'early', text: 'SELECT n FROM not_there_yet' }
    await expect(pool.query(early)).rejects.toMatchObject({ code: '42P01' })
    await pool.query('CREATE TABLE not_there_yet (n int)')
    expect((await pool.query(early)).rows).toEqual([])
    await pool.query('DROP TABLE not_there_yet')
  })
})

test('a holder hears the notices of its session', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const notices = await pool.use(async (client) => {
    const notices: (string | undefined)[] = []
    const hear = ({ message }: { message: string | undefined }) => notices.push(message)
    client.on('notice', hear)
    await client.query("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
    client.off('notice', hear)
    return notices
  })
  expect(notices).toEqual(['heard'])
})

describe('LISTEN on a lease that is kept', () => {
  async function listening(options: Parameters<typeof openPool>[1] = {}) {
    const pool = openPool(connectionTo(), options)
    const lease = await pool.acquire()
    onTestFinished(() => lease[Symbol.dispose]())
    const heard: (string | undefined)[] = []
    const hear = ({ payload }: Notification): unknown => heard.push(payload)
    lease.resource.on('notification', hear)
    await lease.resource.query('LISTEN news')
    return { pool, lease, heard, hear }
  }

  test('hears what others notify, while the pool ends whatever is idle for long', async () => {
    const options = { max: 2, idleTimeoutMillis: 20, maxLifetimeMillis: 50, keepaliveMillis: 10 }
    const { pool, lease, heard } = await listening(options)
    const mine = await backendPid(lease.resource)
    const other = await backendPid(pool)
    await pool.query("NOTIFY news, 'one'")
    await expect.poll(() => heard).toEqual(['one'])
    await expect.poll(() => sessionsAlive([other])).toEqual([])
    await pool.query("NOTIFY news, 'two'")
    await expect.poll(() => heard).toEqual(['one', 'two'])
    expect(await backendPid(lease.resource)).toBe(mine)
  })

  test('learns from its client that the session has ended, and listens on another', async () => {
    const { pool, lease, heard, hear } = await listening({ max: 1 })
    const ended = new Promise<Error>((resolve) => lease.resource.on('error', resolve))
    await observe('SELECT pg_terminate_backend($1)', [await backendPid(lease.resource)])
    expect(await ended).toMatchObject({ code: '57P01' })
    expect(() => lease.resource).toThrow('its resource was lost')
    lease.release()

    const next = await pool.acquire()
    onTestFinished(() => next[Symbol.dispose]())
    next.resource.on('notification', hear)
    await next.resource.query('LISTEN news')
    await observe("SELECT pg_notify('news', 'again')")
    await expect.poll(() => heard).toEqual(['again'])
  })

  test('goes on with the connection when the lease ends, unless it is taken away', async () => {
    const channels = async (client: Client) =>
      (await client.query('SELECT pg_listening_channels() AS channel')).rows as unknown[]

    const { pool, lease } = await listening({ max: 1 })
    lease.release()
    expect(await pool.use(channels)).toEqual([{ channel: 'news' }])

    const tidy = openTidyPool('UNLISTEN *')
    await tidy.use((client) => client.query('LISTEN news'))
    expect(await tidy.use(channels)).toEqual([])
  })
})

/** A pool of one connection, on which that is run whenever it comes back. */
function openTidyPool(resetQuery: string) {
  const driver = pgDriverWith({ resetQuery })
  const pool = createForkSafePool(driver, { connection: connectionTo(), max: 1 })
  onTestFinished(() => pool.close())
  return pool
}
