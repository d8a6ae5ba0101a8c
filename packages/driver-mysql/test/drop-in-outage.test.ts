import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import type { Pool, PoolOptions } from 'mysql2/promise'
import { expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { countsOf, errorOf, openDropIn } from './support/drop-in.ts'
import { connectionTo, targetOf } from './support/pools.ts'

// While no server answers, callers that retry at once do not flood it with connects.

interface Counted {
  readonly pool: Pool
  readonly connects: () => number
}

function open(port: number, options: PoolOptions = {}): Counted {
  let connects = 0
  const stream = (): unknown => {
    connects++
    return connect(port, '127.0.0.1')
  }
  const pool = openDropIn(createPool, { ...connectionTo(), stream, ...options })
  return { pool, connects: () => connects }
}

/** A port that nothing listens on until `start` forwards it to the server. `stop` ends all connections. */
async function switchable(): Promise<{
  port: number
  start: () => Promise<void>
  stop: () => Promise<void>
}> {
  const end = new Set<() => void>()
  const server: Server = createServer((socket) => {
    const upstream = connect(targetOf('plain') as { host: string; port: number })
    socket.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => socket.destroy()).pipe(socket)
    end.add(() => {
      socket.destroy()
      upstream.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const endOne of end) endOne()
    end.clear()
    await closed
  }
  await stop()
  onTestFinished(stop)
  const start = async (): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  return { port, start, stop }
}

const refused = { code: 'ECONNREFUSED' }

async function fail(pool: Pool, times: number): Promise<void> {
  for (let i = 0; i < times; i++)
    expect(await errorOf(pool.query('SELECT 1'))).toMatchObject(refused)
}

test.each(['query', 'getConnection'] as const)(
  'callers that retry %s at once share the connects, and each gets the error',
  async (verb) => {
    const { pool, connects } = open(1)
    const until = performance.now() + 2_000
    let errors = 0
    const caller = async (): Promise<void> => {
      while (performance.now() < until) {
        const asked = verb === 'query' ? pool.query('SELECT 1') : pool.getConnection()
        expect(await errorOf(asked)).toMatchObject(refused)
        errors++
      }
    }
    await Promise.all(Array.from({ length: 50 }, caller))
    expect(errors).toBeGreaterThanOrEqual(50)
    expect(connects()).toBeLessThan(60)
  },
)

test('the first callers have a connect of their own', async () => {
  const { pool, connects } = open(1)
  await fail(pool, 4)
  expect(connects()).toBe(4)
})

test('each of several waiting callers gets an error object of its own', async () => {
  const { pool } = open(1)
  await fail(pool, 8)
  const errors = await Promise.all([1, 2, 3].map(() => errorOf(pool.getConnection())))
  expect(new Set(errors).size).toBe(3)
  for (const error of errors) {
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', port: 1 })
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.stack).toContain('ECONNREFUSED')
  }
})

test('a wrong password does not flood the server either', async () => {
  const { host, port } = targetOf('plain') as { host: string; port: number }
  const { pool, connects } = open(port, { host, user: 'nobody', password: 'wrong' })
  const until = performance.now() + 1_000
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      expect(await errorOf(pool.getConnection())).toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' })
    }
  }
  await Promise.all(Array.from({ length: 20 }, caller))
  expect(connects()).toBeLessThan(60)
})

test('all waiting callers are served once the server answers', async () => {
  const { port, start } = await switchable()
  const { pool } = open(port, { connectionLimit: 3 })
  await fail(pool, 12)
  await start()
  const queries = Array.from({ length: 20 }, () => pool.query('SELECT 1 AS one'))
  for (const [rows] of await Promise.all(queries)) expect(rows).toEqual([{ one: 1 }])
  await expect.poll(() => countsOf(pool)).toEqual([3, 3, 0])
})

test('a second outage rejects the first callers one by one again', async () => {
  const { port, start, stop } = await switchable()
  const { pool, connects } = open(port)
  await fail(pool, 8)
  await start()
  await pool.query('SELECT 1')
  await stop()
  await expect.poll(() => countsOf(pool)).toEqual([0, 0, 0])
  const before = connects()
  await fail(pool, 4)
  expect(connects()).toBe(before + 4)
})

test('a caller waits for a released connection although no other can be opened', async () => {
  const { port, start } = await switchable()
  const { pool } = open(port, { connectionLimit: 1 })
  await fail(pool, 8)
  await start()
  const connection = await pool.getConnection()
  const { threadId } = connection
  const next = pool.getConnection()
  await expect.poll(() => countsOf(pool)).toEqual([1, 0, 1])
  connection.release()
  const served = await next
  expect(served.threadId).toBe(threadId)
  served.release()
})

test('`end()` settles while callers wait for a server', async () => {
  const { pool } = open(1)
  await fail(pool, 8)
  const waiting = [errorOf(pool.getConnection()), errorOf(pool.getConnection())]
  await pool.end()
  for (const error of await Promise.all(waiting)) expect(error.message).toMatch('Pool is closed.')
})

test('`waitForConnections: false` rejects a caller only if the pool is full', async () => {
  const { pool } = open(1, { waitForConnections: false, connectionLimit: 2 })
  await fail(pool, 8)
  expect(await errorOf(pool.getConnection())).toMatchObject(refused)
})
