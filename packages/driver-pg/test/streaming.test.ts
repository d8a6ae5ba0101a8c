import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import type { Client } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { describe, expect, test } from 'vitest'
import { backendPid, connectionTo, openPool } from './support/pools.ts'

/** Far more than fits into any buffer between the server and its client. */
const LARGE = "SELECT n, repeat('x', 1000) AS filler FROM generate_series(1, 200000) n"

/** A pool whose next caller would give up long before a reset that hangs is given up. */
function openPatientPool() {
  return openPool(connectionTo(), {
    max: 1,
    acquireTimeoutMillis: 20_000,
    validateTimeoutMillis: 60_000,
  })
}

describe('through `use`, on a connection that goes on afterwards,', () => {
  test('pg-cursor reads in batches', async () => {
    const pool = openPatientPool()
    const pid = await backendPid(pool)
    const batches = await pool.use(async (client) => {
      const cursor = client.query(new Cursor<{ n: number }>('SELECT generate_series(1, 5) AS n'))
      return [await cursor.read(3), await cursor.read(3), await cursor.read(3)]
    })
    expect(batches.map((rows) => rows.map(({ n }) => n))).toEqual([[1, 2, 3], [4, 5], []])
    expect(await backendPid(pool)).toBe(pid)
  })

  test('pg-query-stream is iterated to its end', async () => {
    const pool = openPatientPool()
    const pid = await backendPid(pool)
    const rows = await pool.use(async (client) => {
      let rows = 0
      for await (const _ of client.query(new QueryStream(LARGE))) rows++
      return rows
    })
    expect(rows).toBe(200_000)
    expect(await backendPid(pool)).toBe(pid)
  })

  test('COPY goes in, and comes out', async () => {
    const pool = openPatientPool()
    const pid = await backendPid(pool)
    await pool.query('CREATE TABLE copied (n int)')
    const lines = Array.from({ length: 1_000 }, (_, n) => `${n}\n`)
    await pool.use((client) =>
      pipeline(Readable.from(lines), client.query(copyFrom('COPY copied FROM STDIN'))),
    )
    const back = await pool.use((client) =>
      textOf(client.query(copyTo('COPY (SELECT n FROM copied ORDER BY n) TO STDOUT'))),
    )
    expect(back).toBe(lines.join(''))
    expect(await backendPid(pool)).toBe(pid)
    await pool.query('DROP TABLE copied')
  })
})

type Holder = (client: Client) => Promise<unknown>

const stopsInOrder: [string, Holder][] = [
  [
    'closes its cursor',
    async (client) => {
      const cursor = client.query(new Cursor(LARGE))
      await cursor.read(3)
      await cursor.close()
    },
  ],
  [
    'does not wait for its cursor to be closed',
    async (client) => {
      const cursor = client.query(new Cursor(LARGE))
      await cursor.read(3)
      void cursor.close()
    },
  ],
  [
    'breaks out of its iteration of a query stream',
    async (client) => {
      for await (const _ of client.query(new QueryStream(LARGE))) break
    },
  ],
  [
    'closes its cursor in a transaction that it leaves open',
    async (client) => {
      await client.query('BEGIN')
      const cursor = client.query(new Cursor(LARGE))
      await cursor.read(3)
      void cursor.close()
    },
  ],
  [
    'destroys the stream of its COPY FROM',
    async (client) => {
      const stream = client.query(copyFrom('COPY half FROM STDIN'))
      stream.write('1\n')
      const failed = new Promise((resolve) => stream.on('error', resolve))
      stream.destroy()
      return failed
    },
  ],
]

const stopsAnyhow: [string, Holder][] = [
  [
    'leaves its cursor as it is',
    async (client) => {
      await client.query(new Cursor(LARGE)).read(3)
    },
  ],
  [
    'leaves its cursor as it is, in a transaction',
    async (client) => {
      await client.query('BEGIN')
      await client.query(new Cursor(LARGE)).read(3)
    },
  ],
  [
    'leaves its query stream as it is',
    async (client) => {
      const stream = client.query(new QueryStream(LARGE))
      await new Promise((resolve) => stream.once('data', resolve))
      stream.pause()
    },
  ],
  [
    'leaves its COPY FROM as it is',
    async (client) => {
      const stream = client.query(copyFrom('COPY half FROM STDIN'))
      await new Promise((resolve) => stream.write('1\n', resolve))
    },
  ],
  [
    'leaves its COPY TO as it is',
    async (client) => {
      const stream = client.query(copyTo(`COPY (${LARGE}) TO STDOUT`))
      await new Promise((resolve) => stream.once('data', resolve))
      stream.pause()
    },
  ],
  [
    'cannot write down what its COPY TO gives',
    async (client) => {
      const full = new Writable({
        write: (_chunk, _encoding, done) => done(new Error('disk full')),
      })
      const stream = client.query(copyTo(`COPY (${LARGE}) TO STDOUT`))
      await pipeline(stream, full).catch((error: unknown) => error)
    },
  ],
]

describe('the next holder gets a clean connection when one', () => {
  test.each(stopsInOrder)('%s: the same one', async (_, work) => {
    const { before, after } = await lendTwice(work)
    expect(after).toBe(before)
  })

  test.each(stopsAnyhow)('%s: another one, at once', async (_, work) => {
    const { before, after, reasons } = await lendTwice(work)
    expect(after).not.toBe(before)
    expect(reasons).toEqual(['reset'])
  })
})

/** What becomes of the connection between a holder that does `work` and the next. */
async function lendTwice(work: Holder) {
  const pool = openPatientPool()
  const reasons: string[] = []
  pool.on('destroy', ({ reason }) => reasons.push(reason))
  const before = await backendPid(pool)
  await pool.query('CREATE TABLE IF NOT EXISTS half (n int)')
  await pool.use(work)
  const next = await pool.use(async (client) => ({
    status: client.getTransactionStatus(),
    after: await backendPid(client),
    rows: (await client.query('SELECT n FROM half')).rows as unknown[],
  }))
  expect(next).toMatchObject({ status: 'I', rows: [] })
  await pool.query('DROP TABLE half')
  return { before, after: next.after, reasons }
}

async function textOf(stream: Readable): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

describe('when its connection ends,', () => {
  test('a stream of rows fails, in the middle of its rows', async () => {
    const pool = openPatientPool()
    const reading = pool.use(async (client) => {
      for await (const _ of client.query(new QueryStream(LARGE))) client.connection.stream.destroy()
    })
    await expect(reading).rejects.toThrow('Connection terminated unexpectedly')
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test.each([0, 50])('a cursor can still be closed, %i ms later', async (millis) => {
    const pool = openPatientPool()
    await pool.use(async (client) => {
      const cursor = client.query(new Cursor(LARGE))
      await cursor.read(3)
      client.connection.stream.destroy()
      await setTimeout(millis)
      await cursor.close()
    })
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })
})
