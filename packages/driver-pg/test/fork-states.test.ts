import { proves } from '@forksafe/scripts/proof'
import type { Moment } from '@forksafe/scripts/proof'
import type { RecordingProxy } from '@forksafe/testkit'
import { StaleResourceError } from '@forksafe/core'
import { once } from 'node:events'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  expectation,
  expectSilentChild,
  expectWritten,
  forkInto,
  newest,
  type Notice,
  openWatchedPool,
  outcomeOf,
  prepare,
  type Seen,
  sessionOf,
} from './support/forked.ts'
import {
  backendPid,
  everyTransport,
  fill,
  observe,
  sessionsAlive,
  startProxy,
} from './support/pools.ts'

// A fork in each state that a connection can be in, over each transport, proved from both sides: the child lets go of
// every descriptor without a byte and has a session of its own; the parent goes on with what it was doing.

const { Query } = pg
const stale = StaleResourceError.name

beforeAll(async () => {
  await observe('CREATE TABLE forked (key text PRIMARY KEY)')
  return () => observe('DROP TABLE forked')
})

describe.each(everyTransport)('over %s', (transport) => {
  let proxy: RecordingProxy
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ proxy, stop } = await startProxy(transport))
  })
  afterAll(() => stop())

  describe.each<Notice>(['hooked', 'unhooked'])('a fork whose child is %s,', (notice) => {
    const cell = (moment: Moment) => proves({ parent: [moment], [notice]: [moment] })

    test('before the pool was ever used', cell('unused'), async () => {
      const watched = openWatchedPool(proxy, transport)
      const { session } = await expectSilentChild(watched, notice)
      expect(session).toEqual(expect.any(Number))
      expect(await backendPid(watched.pool)).not.toBe(session)
    })

    test('with idle connections', cell('idle'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 3 })
      const sessions = await fill(watched.pool, 3)
      const { session } = await expectSilentChild(watched, notice)
      expect(session).toEqual(expect.any(Number))
      expect(sessions).not.toContain(session)
      expect(await fill(watched.pool, 3)).toEqual(sessions)
    })

    test('inside `use()`', cell('lent'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      await pool.use(async (client, lease) => {
        await prepare(client)
        const before = await sessionOf(client)
        const errors: unknown[] = []
        const use = (): void => {
          try {
            errors.push(lease.resource)
          } catch (error) {
            errors.push((error as Error).name)
          }
          lease.release()
          lease.release()
        }
        const look = () => ({ errors, ...pool.stats })
        const { session, found } = await expectSilentChild(watched, notice, { use, look })
        expect(found).toMatchObject({ errors: [stale], size: 1, idle: 1, borrowed: 0 })
        expect(session).not.toBe(before.pid)
        expect(lease.resource).toBe(client)
        expect(await sessionOf(client)).toEqual(before)
      })
      expect(pool.stats).toMatchObject({ size: 1, idle: 1, borrowed: 0 })
    })

    test('inside a transaction', cell('transaction'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const key = `${transport}, ${notice}`
      const lease = await pool.acquire()
      const client = lease.resource
      await client.query('BEGIN')
      await client.query('INSERT INTO forked VALUES ($1)', [key])
      await prepare(client)
      const before = await sessionOf(client)
      const look = async () => {
        lease.release()
        lease.destroy()
        const { rows } = await pool.query('SELECT FROM forked WHERE key = $1', [key])
        await pool.close()
        return rows.length
      }
      const { session, found } = await expectSilentChild(watched, notice, { look })
      expect(session).not.toBe(before.pid)
      expect(found).toBe(0)
      expect(await sessionOf(client)).toEqual(before)
      await client.query('COMMIT')
      lease.release()
      expect(await observe('SELECT FROM forked WHERE key = $1', [key])).toHaveLength(1)
    })

    test('with half of a large answer received', cell('query'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const lease = await pool.acquire()
      const before = await sessionOf(lease.resource)
      const rows: number[] = []
      const connection = await newest(proxy)
      await proxy.hold({ connection, direction: 'fromServer' })
      const text = 'SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 20000) n'
      const query = lease.resource.query(new Query(text))
      const ended = once(query, 'end')
      const child = new Promise<Seen<undefined>>((resolve) => {
        // The fork comes in the midst of what was read from the socket. In the child the query never ends.
        query.on('row', ({ n }: { n: number }) => {
          if (rows.push(n) === 10_000) resolve(forkInto(watched, notice))
        })
      })
      const expected = await expectation(watched, notice)
      // Nothing is read before the proxy has answered: else its answer might be read by the child.
      const { stream } = lease.resource.connection
      stream.pause()
      await proxy.resume({ connection })
      stream.resume()
      const seen = await child
      await ended
      await expected.of(seen)
      expect(rows).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1))
      expect(await sessionOf(lease.resource)).toEqual(before)
    })

    test('with a caller in the queue', cell('waiting'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const lease = await pool.acquire()
      const { pid } = await sessionOf(lease.resource)
      const waiting = pool.acquire()
      const look = () => outcomeOf(waiting)
      const { session, found } = await expectSilentChild(watched, notice, { look })
      expect(found).toBe(stale)
      expect(session).not.toBe(pid)
      expect(pool.stats.waiting).toBe(1)
      lease.release()
      const next = await waiting
      expect(await backendPid(next.resource)).toBe(pid)
      next.release()
    })

    test('while a connection is validated', cell('validating'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1, validateAfterIdleMillis: 0 })
      const { pool } = watched
      const pid = await backendPid(pool)
      const connection = await newest(proxy)
      await proxy.hold({ connection, direction: 'fromServer' })
      const mark = await proxy.mark()
      const next = pool.acquire()
      await expectWritten(proxy, mark)
      expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 0, waiting: 1 })
      const look = () => outcomeOf(next)
      const { session, found } = await expectSilentChild(watched, notice, { look })
      expect(found).toBe(stale)
      expect(session).not.toBe(pid)
      await proxy.resume({ connection })
      const lease = await next
      expect(await backendPid(lease.resource)).toBe(pid)
      lease.release()
    })

    test('while a connection is reset', cell('resetting'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const lease = await pool.acquire()
      await lease.resource.query('BEGIN')
      await prepare(lease.resource)
      const before = await sessionOf(lease.resource)
      const connection = await newest(proxy)
      await proxy.hold({ connection, direction: 'fromServer' })
      const mark = await proxy.mark()
      lease.release()
      await expectWritten(proxy, mark)
      expect(pool.stats).toMatchObject({ size: 1, idle: 0, borrowed: 0 })
      const { session } = await expectSilentChild(watched, notice)
      expect(session).not.toBe(before.pid)
      await proxy.resume({ connection })
      await pool.use(async (client) => {
        expect(await sessionOf(client)).toEqual(before)
        expect(client.getTransactionStatus()).toBe('I')
      })
    })

    test('while a connection is destroyed', cell('destroying'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const ended: unknown[] = []
      pool.on('hookError', (details) => ended.push(details))
      pool.on('destroy', ({ reason }) => ended.push(reason))
      const lease = await pool.acquire()
      const pid = await backendPid(lease.resource)
      const connection = await newest(proxy)
      await proxy.hold({ connection })
      const mark = await proxy.mark()
      lease.destroy()
      await expectWritten(proxy, mark)
      const look = () => ({ ...pool.stats, ended })
      const { found } = await expectSilentChild(watched, notice, { look })
      expect(found).toMatchObject({ size: 1, destroying: 0, ended: [] })
      expect(pool.stats).toMatchObject({ destroying: 1 })
      await proxy.resume({ connection })
      await expect.poll(() => pool.stats.size).toBe(0)
      expect(ended).toEqual(['broken'])
      await expect.poll(() => sessionsAlive([pid])).toEqual([])
    })

    test('while the pool is closing', cell('closing'), async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const lease = await pool.acquire()
      await prepare(lease.resource)
      const before = await sessionOf(lease.resource)
      const closing = pool.close()
      const look = async () => ({ closing: await outcomeOf(closing), size: pool.stats.size })
      const { session, found } = await expectSilentChild(watched, notice, { look, opens: 0 })
      expect(session).toBe('PoolClosedError')
      expect(found).toEqual({ closing: 'resolved', size: 0 })
      expect(await sessionOf(lease.resource)).toEqual(before)
      lease.release()
      await closing
      await expect.poll(() => sessionsAlive([before.pid])).toEqual([])
    })

    test('with a `min` to keep', cell('next'), async () => {
      const watched = openWatchedPool(proxy, transport, { min: 3, max: 5 })
      const { pool } = watched
      await pool.warmUp()
      const sessions = await fill(pool, 3)
      const creating: number[] = []
      pool.on('create', () => creating.push(pool.stats.creating))
      const use = (): void => {
        // Before that, it has opened nothing for itself.
        if (notice === 'hooked') creating.push(pool.stats.size)
      }
      const look = async () => {
        await expect.poll(() => pool.stats.size).toBe(3)
        await expect.poll(() => pool.stats.creating).toBe(0)
        return creating
      }
      const { session, found } = await expectSilentChild(watched, notice, { use, look, opens: 3 })
      expect(sessions).not.toContain(session)
      // Whenever one was open, no other was being opened: one after the other, until there are three.
      expect(found).toEqual([...(notice === 'hooked' ? [0] : []), 0, 0, 0])
      expect(await fill(pool, 3)).toEqual(sessions)
    })
  })
})
