import { inChild } from '@forksafe/testkit'
import { afterAll, expect, test } from 'vitest'
import { sessionOf } from './support/accounts.ts'
import { describeSince } from './support/lines.ts'

describeSince([22, 18], 'graphile-worker', async () => {
  const { pool, utils, workOff } = await import('../src/graphile-worker.ts')
  afterAll(async () => {
    await utils.release()
    await pool.end()
  })

  const done: unknown[] = []
  const tasks = {
    note: (payload: unknown): void => void done.push(payload),
  }
  /** Jobs that run in the transaction of a client. */
  const enqueue = 'SELECT graphile_worker.add_job($1, json_build_object($2::text, $3::int))'

  test('adds a job in a transaction, and runs it', async () => {
    await utils.migrate()
    // A task gets its number when it first runs, which would wait for an open transaction that assigns it.
    await workOff(tasks)
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query(enqueue, ['note', 'n', 1])
    await workOff(tasks)
    expect(done).toEqual([])
    await client.query('COMMIT')
    client.release()
    await workOff(tasks)
    expect(done).toEqual([{ n: 1 }])
  })

  test('a job whose transaction is rolled back never runs', async () => {
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query(enqueue, ['note', 'n', 2])
    await client.query('ROLLBACK')
    client.release()
    await workOff(tasks)
    expect(done).toEqual([{ n: 1 }])
  })

  test('a child runs its own job on its own connections', async () => {
    const parent = await sessionOf(pool)
    const child = await inChild(async () => {
      await utils.addJob('note', { n: 3 })
      await workOff(tasks)
      return { done, session: await sessionOf(pool) }
    })
    expect(child.done).toEqual([{ n: 1 }, { n: 3 }])
    expect(child.session).not.toBe(parent)
    await utils.addJob('note', { n: 4 })
    await workOff(tasks)
    expect(done).toEqual([{ n: 1 }, { n: 4 }])
  })
})
