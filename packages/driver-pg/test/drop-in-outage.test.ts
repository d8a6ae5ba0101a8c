import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type Pool as PgPool, type PoolConfig } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { type DropInConfig, Pool } from '../src/index.ts'
import { errorOf, openPool } from './support/drop-in.ts'
import { target } from './support/pools.ts'

// While no server answers, callers that retry at once do not flood it with connects.

interface Counted {
  readonly pool: PgPool
  readonly connects: () => number
}

function open(config: DropInConfig): Counted {
  let connects = 0
  class Counting extends Client {
    constructor(given?: PoolConfig) {
      super(given)
      connects++
    }
  }
  const pool = openPool(Pool, { host: '127.0.0.1', Client: Counting, ...config })
  return { pool, connects: () => connects }
}

/** A port that nothing listens on until `start` forwards it to the server. */
async function switchable(): Promise<{ port: number; start: () => Promise<void> }> {
  const server: Server = createServer((socket) => {
    const upstream = connect(target.port, target.host)
    socket.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => socket.destroy()).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  onTestFinished(() => void server.close())
  const start = async (): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  return { port, start }
}

test('callers that retry at once share the connects, and each gets its error', async () => {
  const { pool, connects } = open({ port: 1 })
  const until = performance.now() + 2_000
  let errors = 0
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      expect(await errorOf(pool.query('SELECT 1'))).toMatchObject({ code: 'ECONNREFUSED' })
      errors++
    }
  }
  await Promise.all(Array.from({ length: 50 }, caller))
  expect(errors).toBeGreaterThanOrEqual(50)
  expect(connects()).toBeLessThan(60)
})

test('the first callers have a connect of their own', async () => {
  const { pool, connects } = open({ port: 1 })
  for (let i = 0; i < 4; i++) await errorOf(pool.connect())
  expect(connects()).toBe(4)
})

test('a caller is never held for long, and its error is its own, with its own stack', async () => {
  const { pool } = open({ port: 1 })
  for (let i = 0; i < 8; i++) await errorOf(pool.query('SELECT 1'))
  const errors = await Promise.all([errorOf(pool.connect()), errorOf(pool.connect())])
  expect(errors[0]).not.toBe(errors[1])
  for (const error of errors) {
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', port: 1 })
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.stack).toContain('ECONNREFUSED')
  }
})

test('the next caller after the outage gets a client, and so do all that wait', async () => {
  const { port, start } = await switchable()
  const { pool } = open({ port, max: 3 })
  for (let i = 0; i < 12; i++) await errorOf(pool.query('SELECT 1'))
  await start()
  const queries = Array.from({ length: 20 }, () => pool.query('SELECT 1 AS one'))
  for (const { rows } of await Promise.all(queries)) expect(rows).toEqual([{ one: 1 }])
  expect(pool.totalCount).toBe(3)
})

test('a caller whose `connectionTimeoutMillis` ends in a pause gets the error of the last connect', async () => {
  const { pool } = open({ port: 1, connectionTimeoutMillis: 1 })
  const messages = new Set<string>()
  for (let i = 0; i < 100; i++) messages.add((await errorOf(pool.connect())).message)
  expect([...messages]).not.toContain('timeout exceeded when trying to connect')
  expect(messages.size).toBeLessThanOrEqual(2)
})

test('a caller waits for a released client although no other can be opened', async () => {
  const { port, start } = await switchable()
  const { pool } = open({ port, max: 1 })
  for (let i = 0; i < 8; i++) await errorOf(pool.connect())
  await start()
  const client = await pool.connect()
  const next = pool.connect()
  await sleep(50)
  client.release()
  expect(await next).toBe(client)
  client.release()
})

test('`end()` settles while callers wait for a server', async () => {
  const { pool } = open({ port: 1 })
  for (let i = 0; i < 8; i++) await errorOf(pool.connect())
  const waiting = [errorOf(pool.connect()), errorOf(pool.connect())]
  await pool.end()
  for (const error of await Promise.all(waiting)) expect(error.message).toContain('ECONNREFUSED')
})

test('`backoff` sets the pauses', async () => {
  const { pool, connects } = open({
    port: 1,
    backoff: { minMillis: 5_000, maxMillis: 5_000 },
    connectionTimeoutMillis: 20,
  })
  for (let i = 0; i < 20; i++) await errorOf(pool.connect())
  expect(connects()).toBeLessThan(9)
})
