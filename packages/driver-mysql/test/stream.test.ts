import { expect, onTestFinished, test, vi } from 'vitest'
import {
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  running,
  sessionId,
} from './support/pools.ts'

const MILLION = 'SELECT seq FROM seq_1_to_1000000 /* streamed */'

/** Lifts the limit of 3 seconds on a cancel, which a busy machine may exceed. Call it before anything starts a timer. */
function withoutCancelLimit(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
}

test('rows come one after the other, and the connection comes back after the last', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  const seen: unknown[] = []
  for await (const { n } of pool.stream('SELECT seq + ? AS n FROM seq_1_to_1000', [1])) {
    seen.push(n)
    expect(pool.stats.borrowed).toBe(1)
  }
  expect(seen).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 2))
  expect(await sessionId(pool)).toBe(id)
})

test('a consumer that stops early is not sent the rest, and its connection is used again', async () => {
  withoutCancelLimit()
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  // A terabyte.
  const endless = 'SELECT seq FROM seq_1_to_100000000000 /* endless */'
  for await (const { seq } of pool.stream(endless)) {
    if (seq === 10) break
  }
  expect(await sessionId(pool)).toBe(id)
  expect(await running('endless')).toBe(0)
})

test('an abort rejects the iteration with the reason', async () => {
  withoutCancelLimit()
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  const controller = new AbortController()
  const reason = new Error('enough')
  const reading = async (): Promise<void> => {
    for await (const { seq } of pool.stream(MILLION, [], { signal: controller.signal })) {
      if (seq === 10) controller.abort(reason)
    }
  }
  await expect(reading()).rejects.toBe(reason)
  expect(await sessionId(pool)).toBe(id)
})

test('an error of the server rejects the iteration, and the connection goes on', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  const reading = async (sql: string): Promise<number> => {
    let rows = 0
    for await (const _ of pool.stream(sql)) rows++
    return rows
  }
  await expect(reading('SELEKT')).rejects.toMatchObject({ errno: 1064 })
  // Half way through.
  const half =
    'SELECT IF(seq < 5000, 1, (SELECT 1 UNION SELECT 2 FROM seq_1_to_2 WHERE seq < s.seq)) FROM seq_1_to_9000 s'
  await expect(reading(half)).rejects.toMatchObject({ errno: 1242 })
  expect(await sessionId(pool)).toBe(id)
})

test('a connection that is lost rejects the iteration', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const reading = async (): Promise<void> => {
    for await (const { seq } of pool.stream(MILLION)) {
      if (seq === 10) await proxy.cut()
    }
  }
  await expect(reading()).rejects.toMatchObject({ code: expect.any(String) as string })
  expect(pool.stats.borrowed).toBe(0)
})

test('an iteration that never begins borrows nothing', () => {
  const pool = openPool(connectionTo())
  pool.stream(MILLION)
  expect(pool.stats).toMatchObject({ size: 0, waiting: 0 })
})

test.each<[string, object[]]>([
  ['CALL streams_rows()', [{ one: 1 }, { two: 2 }, { two: 3 }]],
  ['SET @a = 1; SELECT 1 AS one; DO 0; SELECT 2 AS two; DO 0', [{ one: 1 }, { two: 2 }]],
  ['DO 0', []],
])('%s yields the rows of each result, and no header', async (sql, expected) => {
  await observe(
    'CREATE OR REPLACE PROCEDURE streams_rows() BEGIN SELECT 1 AS one; SELECT seq AS two FROM seq_2_to_3; END',
  )
  const pool = openPool({ ...connectionTo(), multipleStatements: true }, { max: 1 })
  const id = await sessionId(pool)
  const rows: object[] = []
  for await (const row of pool.stream(sql)) rows.push({ ...row })
  expect(rows).toEqual(expected)
  for await (const row of pool.stream({ sql, rowsAsArray: true })) expect(row).toHaveLength(1)
  expect(await sessionId(pool)).toBe(id)
})
