import { once } from 'node:events'
import { Query, type Pool as PgPool, type Submittable } from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { describe, expect, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { errorOf, openPool, pidOf } from './support/drop-in.ts'

// In pg.Pool, `pool.query` never gets back the client that it has given to a cursor.

const open = (config = {}): PgPool => openPool(Pool, { max: 1, ...config })

/** What `pool.query` returns for a query object at run time. */
const submit = (pool: PgPool, query: Submittable): Promise<unknown> =>
  pool.query(query) as unknown as Promise<unknown>

/** A query in the simple protocol, as a program of its own may send one. */
class Custom {
  readonly rows: unknown[] = []
  readonly errors: Error[] = []
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  submit(connection: { query(text: string): void }): Error | undefined {
    connection.query(this.#text)
    return undefined
  }

  handleRowDescription(): void {}
  handleDataRow({ fields }: { fields: unknown[] }): void {
    this.rows.push(fields.map(String))
  }
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleReadyForQuery(): void {}
  handleError(error: Error): void {
    this.errors.push(error)
  }
}

const submittable = (query: object): Submittable => query as unknown as Submittable

/** Whether the pool lends its only client. */
async function expectFree(pool: PgPool): Promise<void> {
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  await expect.poll(() => pool.idleCount).toBe(1)
}

describe('`pool.query` takes back its client from', () => {
  test('a cursor that is read to its end', async () => {
    const pool = open()
    const pid = await pidOf(pool)
    const cursor = new Cursor('SELECT generate_series(1, 5) AS n')
    const done = submit(pool, cursor)
    expect(await cursor.read(3)).toHaveLength(3)
    expect(pool.idleCount).toBe(0)
    expect(await cursor.read(3)).toHaveLength(2)
    await done
    await expectFree(pool)
    expect(await pidOf(pool)).toBe(pid)
  })

  test('a cursor that is closed before its end', async () => {
    const pool = open()
    const cursor = new Cursor('SELECT generate_series(1, 5) AS n')
    const done = submit(pool, cursor)
    await cursor.read(1)
    await cursor.close()
    await done
    await expectFree(pool)
  })

  test('a cursor whose query fails, and whose reader handles the error', async () => {
    const pool = open()
    const pid = await pidOf(pool)
    const cursor = new Cursor('SELECT nothing')
    // Nobody handles the promise: the cursor has reported its error.
    void submit(pool, cursor)
    expect((await errorOf(cursor.read(1))).message).toContain('nothing')
    await expectFree(pool)
    expect(await pidOf(pool)).toBe(pid)
  })

  test('a cursor that fails halfway', async () => {
    const pool = open()
    const cursor = new Cursor('SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n')
    const done = errorOf(submit(pool, cursor))
    expect(await cursor.read(1)).toHaveLength(1)
    expect((await errorOf(cursor.read(4))).message).toContain('division by zero')
    expect((await done).message).toContain('division by zero')
    await expectFree(pool)
  })

  test('a stream that is read, one that is destroyed, and one that fails', async () => {
    const pool = open()
    const text = 'SELECT generate_series(1, 1000) AS n'
    const read = new QueryStream(text)
    void submit(pool, read)
    expect(await read.toArray()).toHaveLength(1000)
    await expectFree(pool)

    const destroyed = new QueryStream(text, [], { batchSize: 10 })
    void submit(pool, destroyed)
    await once(destroyed, 'readable')
    destroyed.destroy()
    await expectFree(pool)

    const failing = new QueryStream('SELECT nothing')
    void submit(pool, failing)
    expect((await errorOf(failing.toArray())).message).toContain('nothing')
    await expectFree(pool)
  })

  test('a stream that is destroyed before it has a client', async () => {
    const pool = open()
    const stream = new QueryStream('SELECT generate_series(1, 1000) AS n')
    const done = errorOf(submit(pool, stream))
    stream.destroy()
    expect((await done).message).toContain('destroyed')
    await expectFree(pool)
  })

  test('a COPY to and from the server, and one that fails', async () => {
    const pool = open()
    await pool.query('CREATE TEMP TABLE copied (n int)')
    const from = copyFrom('COPY copied FROM STDIN')
    const done = submit(pool, submittable(from))
    from.end('1\n2\n')
    await done
    const to = copyTo('COPY copied TO STDOUT')
    void submit(pool, submittable(to))
    expect((await to.toArray()).join('')).toBe('1\n2\n')
    await expectFree(pool)

    const failing = copyTo('COPY nothing TO STDOUT')
    void submit(pool, submittable(failing))
    expect((await errorOf(failing.toArray())).message).toContain('nothing')
    await expectFree(pool)
  })

  test("a query object of one's own, whether it succeeds or fails", async () => {
    const pool = open()
    const query = new Custom('SELECT 7')
    await submit(pool, submittable(query))
    expect(query.rows).toEqual([['7']])
    await expectFree(pool)

    const failing = new Custom('SELECT nothing')
    expect((await errorOf(submit(pool, submittable(failing)))).message).toContain('nothing')
    expect(failing.errors).toHaveLength(1)
    await expectFree(pool)
  })

  test('a query object whose `submit` returns an error, or throws one', async () => {
    const pool = open()
    for (const submitOf of [
      () => new Error('not today'),
      () => {
        throw new Error('not today')
      },
    ]) {
      const query = Object.assign(new Custom('SELECT 1'), { submit: submitOf })
      expect((await errorOf(submit(pool, submittable(query)))).message).toBe('not today')
      await expectFree(pool)
    }
  })

  test('a query object whose connection is lost', async () => {
    const pool = open()
    const query = new Custom('SELECT pg_terminate_backend(pg_backend_pid())')
    await errorOf(submit(pool, submittable(query)))
    await expectFree(pool)
  })

  test('a query object with a callback of `pool.query`', async () => {
    const pool = open()
    const cursor = new Cursor('SELECT 1 AS one')
    const done = new Promise<void>((resolve, reject) => {
      const callback = (error?: Error): void => (error ? reject(error) : resolve())
      ;(pool.query as (query: unknown, callback: unknown) => void).call(pool, cursor, callback)
    })
    expect(await cursor.read(10)).toEqual([{ one: 1 }])
    await done
    await expectFree(pool)
  })

  test("pg's own query, whose events are emitted", async () => {
    const pool = open()
    const query = new Query('SELECT 1 AS one')
    const rows: unknown[] = []
    query.on('row', (row) => rows.push(row))
    await submit(pool, query)
    expect(rows).toEqual([{ one: 1 }])
    await expectFree(pool)
    expect((await errorOf(submit(pool, new Query('SELECT nothing')))).message).toContain('nothing')
    await expectFree(pool)
  })
})

test('a query object is rejected if no connection can be opened', async () => {
  const pool = open({ host: '127.0.0.1', port: 1 })
  const error = await errorOf(submit(pool, new Cursor('SELECT 1')))
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
})
