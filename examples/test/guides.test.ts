import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { startPostgres } from '@forksafe/scripts/postgres'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'

/** A generous timeout for busy machines. */
afterEach(() => vi.unstubAllEnvs())

async function server() {
  const postgres = await startPostgres({ own: true, tls: false })
  onTestFinished(() => postgres.stop())
  vi.stubEnv('DATABASE_URL', postgres.url)
  return postgres
}

test('conflicting transfers are retried, bookings skip taken seats, orders are placed once', async () => {
  await server()
  const { pool, transfer, book, report, order } = await import('../src/transactions.ts')
  onTestFinished(() => pool.close())
  await pool.query('create table account (owner text primary key, balance int)')
  await pool.query("insert into account values ('ann', 100), ('bob', 100)")
  await Promise.all(Array.from({ length: 4 }, () => transfer('ann', 'bob', 10)))
  await expect(transfer('ann', 'bob', 100)).rejects.toThrow('ann has no 100')
  const { rows } = await pool.query('select balance from account order by owner')
  expect(rows).toEqual([{ balance: 60 }, { balance: 140 }])
  expect(await report()).toEqual({ sum: '200' })

  await pool.query('create table booking (seat int primary key)')
  await pool.query('insert into booking values (2)')
  expect(await book([1, 2, 3])).toEqual([2])
  expect((await pool.query('select seat from booking order by seat')).rows).toEqual([
    { seat: 1 },
    { seat: 2 },
    { seat: 3 },
  ])

  await pool.query('create table orders (id text primary key, item text)')
  await order('a', 'tea')
  await expect(order('a', 'tea')).rejects.toMatchObject({ code: '23505' })
})

test('a leak, a failed connect and a long wait are reported', async () => {
  const postgres = await server()
  const { pool, logged, waits, metrics } = await import('../src/observing.ts')
  onTestFinished(() => pool.close())

  const lease = await pool.acquire()
  expect(metrics()).toContain('pool_borrowed{pool="orders"} 1\n')
  await expect.poll(() => logged.join()).toMatch(/a connection is held for \d+ ms\n.*guides\.test/s)
  lease.release()
  expect(waits).toMatchObject([{ pool: 'orders' }])

  await postgres.stopServer()
  await expect.poll(() => pool.stats.size).toBe(0)
  const answer = pool.query('select 1 as one')
  await expect.poll(() => logged.join()).toContain('connect failed 1 times, next try in')
  await postgres.startServer()
  expect((await answer).rows).toEqual([{ one: 1 }])
})

test('a driver derived from a factory lends its sockets, and replaces one that was closed', async () => {
  const connections: Socket[] = []
  const greeter = createServer((socket) => {
    connections.push(socket)
    socket.on('data', (name) => socket.write(`hello ${name.toString()}`))
  }).listen(0, '127.0.0.1')
  await once(greeter, 'listening')
  onTestFinished(() => void greeter.close())
  vi.stubEnv('PORT', String((greeter.address() as AddressInfo).port))
  const { pool, greet } = await import('../src/migrating.ts')
  onTestFinished(() => pool.close())

  expect(await Promise.all(['a', 'b', 'c'].map(greet))).toEqual(['hello a', 'hello b', 'hello c'])
  expect(pool.stats.size).toBe(2)
  for (const socket of connections) socket.end()
  await expect.poll(() => pool.stats.size).toBe(0)
  expect(await greet('d')).toBe('hello d')
})
