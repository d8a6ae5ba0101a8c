import { StaleResourceError } from '@forksafe/core'
import type { RecordingProxy } from '@forksafe/testkit'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  execute,
  expectation,
  expectSilentChild,
  forkInto,
  type Notice,
  openWatchedPool,
  seenByServer,
  type Seen,
} from './support/forked.ts'
import { fill, observe, startProxy, transports } from './support/pools.ts'

// A fork in states that only MySQL knows, over each transport, proved from both sides: the child lets go of every
// descriptor without a byte and has a session of its own; the parent goes on with what it was doing. The states that every
// driver has are in conformance.test.ts.

const stale = StaleResourceError.name

beforeAll(async () => {
  await observe('CREATE TABLE forked (name varchar(50) PRIMARY KEY) ENGINE = InnoDB')
  return () => observe('DROP TABLE forked')
})

describe.each(transports)('over %s', (transport) => {
  let proxy: RecordingProxy
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ proxy, stop } = await startProxy(transport))
  })
  afterAll(() => stop())

  // Below mysql2 a Unix socket is like any other: once is enough.
  const notices: Notice[] = transport === 'Unix socket' ? ['hooked'] : ['hooked', 'unhooked']
  describe.each(notices)('a fork whose child is %s,', (notice) => {
    test('with idle connections and their prepared statements', async () => {
      const watched = openWatchedPool(proxy, transport, { max: 3 })
      const { pool } = watched
      const sessions = await fill(pool, 3)
      await pool.execute('SELECT ? AS n', [1])
      const { session, found } = await expectSilentChild(watched, notice, {
        look: async () => (await pool.execute('SELECT ? AS n', [2]))[0],
      })
      expect(session).toEqual(expect.any(Number))
      expect(sessions).not.toContain(session)
      expect(found).toEqual([{ n: 2 }])
      expect((await pool.execute('SELECT ? AS n', [3]))[0]).toEqual([{ n: 3 }])
      expect(await fill(pool, 3)).toEqual(sessions)
    })

    test('inside `use()`', async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      await pool.use(async (client, lease) => {
        await execute(client)
        const before = await seenByServer(client)
        const errors: unknown[] = []
        const use = (): void => {
          try {
            errors.push(lease.resource)
          } catch (error) {
            errors.push((error as Error).name)
          }
          // Neither closes the prepared statement, in the child that has none.
          client.unprepare('SELECT ? AS n')
          lease.release()
        }
        const look = () => ({ errors, ...pool.stats })
        const { session, found } = await expectSilentChild(watched, notice, { use, look })
        expect(found).toMatchObject({ errors: [stale], size: 1, idle: 1, borrowed: 0 })
        expect(session).not.toBe(before.id)
        await execute(client)
        expect(await seenByServer(client)).toEqual(before)
      })
      expect(pool.stats).toMatchObject({ size: 1, idle: 1, borrowed: 0 })
    })

    test('inside a transaction', async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const name = `${transport}, ${notice}`
      const count = 'SELECT 1 FROM forked WHERE name = ?'
      const lease = await pool.acquire()
      const client = lease.resource
      await client.query('START TRANSACTION')
      await client.execute('INSERT INTO forked VALUES (?)', [name])
      const before = await seenByServer(client)
      const look = async () => {
        lease.release()
        lease.destroy()
        const [rows] = await pool.query(count, [name])
        await pool.close()
        return rows.length
      }
      const { session, found } = await expectSilentChild(watched, notice, { look })
      expect(session).not.toBe(before.id)
      expect(found).toBe(0)
      expect(await seenByServer(client)).toEqual(before)
      expect(before).toMatchObject({ inTransaction: 1 })
      await client.commit()
      lease.release()
      expect(await observe(count, [name])).toHaveLength(1)
    })

    test('with half of a large answer received', async () => {
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      const lease = await pool.acquire()
      const before = await seenByServer(lease.resource)
      const rows: number[] = []
      const core = lease.resource.connection
      const query = core.query('SELECT seq, REPEAT(MD5(seq), 8) FROM seq_1_to_20000')
      const ended = once(query, 'end')
      const begun = new Promise<void>((resolve) => {
        query.once('result', () => {
          core.pause()
          resolve()
        })
      })
      const child = new Promise<Seen<undefined>>((resolve) => {
        // The fork comes in the midst of what was read from the socket. In the child the query never ends.
        query.on('result', ({ seq }: { seq: number }) => {
          if (rows.push(seq) === 10_000) resolve(forkInto(watched, notice))
        })
      })
      await begun
      const expected = await expectation(watched, notice)
      core.resume()
      const seen = await child
      await ended
      await expected.of(seen)
      expect(rows).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1))
      expect(await seenByServer(lease.resource)).toEqual(before)
      lease.release()
    })
  })
})
