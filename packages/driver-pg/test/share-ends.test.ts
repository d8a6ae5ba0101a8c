import { keepListeners } from '@forksafe/core/methods'
import { startRecordingProxy } from '@forksafe/testkit'
import type { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { connectionTo, observe, target } from './support/pools.ts'
import { needSharing, openSharingPool } from './support/sharing.ts'

needSharing()

test('a connection that is left in a transaction is ended, and the statements on it are rejected', async () => {
  const pool = openSharingPool({ max: 1 })
  const reasons: string[] = []
  pool.on('destroy', ({ reason }) => reasons.push(reason))
  await pool.use(({ connection }: Client) => {
    // As a pooler with a fault might answer.
    connection.prependListener('readyForQuery', (message: { status: string }) => {
      if (pool.stats.inFlight === 5) message.status = 'T'
    })
    // The listener of a holder would be removed.
    keepListeners(connection)
  })
  const answers = await Promise.allSettled(
    Array.from({ length: 5 }, (_, n) => pool.query('SELECT $1::int AS n', [n])),
  )
  for (const outcome of answers) {
    expect(outcome).toHaveProperty('reason.message', expect.stringContaining('left a transaction'))
  }
  await expect.poll(() => reasons).toEqual(['lost'])
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
})

test('a session that has lost a prepared statement is replaced', async () => {
  const pool = openSharingPool({ max: 1 })
  const named = { name: 'kept', text: 'SELECT pg_backend_pid() AS pid' }
  const [before] = (await pool.query<{ pid: number }>(named)).rows
  await pool.query('DEALLOCATE ALL')
  await expect(pool.query(named)).rejects.toHaveProperty('code', '26000')
  const [after] = (await pool.query<{ pid: number }>(named)).rows
  expect(after).not.toEqual(before)
})

test('every statement settles once, and nothing runs twice, under kills, cuts, aborts and recycles', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const table = `ledger_${process.pid}`
  await observe(`CREATE TABLE ${table} (caller int, turn int)`)
  onTestFinished(async () => {
    await observe(`DROP TABLE ${table}`)
  })
  const name = `ledger ${process.pid}`
  const connection = { ...connectionTo({ proxy }), application_name: name }
  const pool = openSharingPool({ connection, max: 3, maxLifetimeMillis: 300 })
  const over = new AbortController()
  const done: string[] = []
  const refused = new Set<string>()
  let negative = false
  const watch = setInterval(() => {
    const { inFlight, shared, borrowed, idle, waiting, size } = pool.stats
    if (Math.min(inFlight, shared, borrowed, idle, waiting, size) < 0) negative = true
    if (size > 3) negative = true
  }, 1)
  const callers = Array.from({ length: 24 }, async (_, caller) => {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const key = `${caller}/${turn}`
      const signal = turn % 5 === 4 ? AbortSignal.timeout(3) : undefined
      try {
        if (turn % 3 === 0) {
          const text = `INSERT INTO ${table} VALUES ($1, $2)`
          await pool.query(text, [caller, turn], { signal })
          done.push(key)
        } else if (turn % 7 === 0) {
          await pool.transaction((client) =>
            client.query(`INSERT INTO ${table} VALUES ($1, $2)`, [caller, turn]),
          )
          done.push(key)
        } else {
          const text = 'SELECT $1::int AS caller, $2::int AS turn'
          const { rows } = await pool.query(text, [caller, turn], { signal })
          expect(rows).toEqual([{ caller, turn }])
        }
      } catch (error) {
        if ((error as Error).name === 'AssertionError') throw error
        refused.add(key)
      }
    }
  })
  const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`
  for (let n = 0; n < 6; n++) {
    const before = done.length
    await expect.poll(() => done.length).toBeGreaterThan(before + 50)
    if (n % 3 === 0) await observe(kill, [name])
    else if (n % 3 === 1) await proxy.cut()
    else pool.recycle()
  }
  over.abort()
  await Promise.all(callers)
  clearInterval(watch)
  expect(negative).toBe(false)
  await expect
    .poll(() => pool.stats)
    .toMatchObject({ inFlight: 0, shared: 0, borrowed: 0, waiting: 0 })
  const rows = await observe<{ key: string; count: number }>(
    `SELECT caller || '/' || turn AS key, count(*)::int FROM ${table} GROUP BY 1`,
  )
  expect(rows.filter(({ count }) => count !== 1)).toEqual([])
  const written = new Set(rows.map(({ key }) => key))
  expect(done.filter((key) => !written.has(key))).toEqual([])
  expect([...written].filter((key) => !done.includes(key) && !refused.has(key))).toEqual([])
})

test('a pool that is idle again lets go of what it held for sharing', async () => {
  const pool = openSharingPool({ max: 2, idleTimeoutMillis: 100 })
  await Promise.all(Array.from({ length: 50 }, () => pool.query('SELECT 1')))
  await expect.poll(() => pool.stats.size).toBe(0)
})
