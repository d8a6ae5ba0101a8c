import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { startMariadb } from '@forksafe/scripts/mariadb'
import { startPostgres } from '@forksafe/scripts/postgres'
import { startRedis } from '@forksafe/scripts/redis'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'

let printed: unknown[]
beforeEach(() => {
  printed = []
  vi.spyOn(console, 'log').mockImplementation((...values) => void printed.push(...values))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

test('the first five minutes with PostgreSQL print what the guide shows', async () => {
  const server = await startPostgres({ own: true, tls: false })
  onTestFinished(() => server.stop())
  vi.stubEnv('DATABASE_URL', server.url)
  const { pool } = await import('../src/start/pg.ts')
  onTestFinished(() => pool.close())
  expect(printed).toEqual([100, '200'])
  const { rows } = await pool.query('select owner, balance from account order by owner')
  expect(rows).toEqual([
    { owner: 'ann', balance: 90 },
    { owner: 'bob', balance: 110 },
  ])
})

test('the first five minutes with MySQL or MariaDB print what the guide shows', async () => {
  const server = await startMariadb({ own: true, tls: false })
  onTestFinished(() => server.stop())
  const { user, host, port, database } = server
  vi.stubEnv('DATABASE_URL', `mysql://${user}@${host}:${port}/${database}`)
  const { pool } = await import('../src/start/mysql.ts')
  onTestFinished(() => pool.close())
  expect(printed).toEqual([100, 200])
  const [rows] = await pool.query('select balance from account order by owner')
  expect(rows).toEqual([{ balance: 90 }, { balance: 110 }])
})

test('the first five minutes with Redis print what the guide shows', async () => {
  const server = await startRedis({ own: true, tls: false })
  onTestFinished(() => server.stop())
  vi.stubEnv('REDIS_URL', `redis://${server.host}:${server.port}`)
  const { pool } = await import('../src/start/redis.ts')
  onTestFinished(() => pool.close())
  expect(printed).toEqual(['hello', ['jobs', 'mow the lawn'], [[null, 'OK']]])
  expect(await pool.get('visits')).toBe('1')
})

test('at SIGTERM requests in progress are answered, and then the pool closes', async () => {
  const postgres = await startPostgres({ own: true, tls: false })
  onTestFinished(() => postgres.stop())
  vi.stubEnv('DATABASE_URL', postgres.url)
  vi.stubEnv('PORT', '0')
  const others = process.listeners('SIGTERM')
  const { pool, server } = await import('../src/start/shutdown.ts')
  onTestFinished(() => pool.close())
  if (!server.listening) await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const answer = fetch(url).then((response) => response.text())
  await expect.poll(() => pool.stats.borrowed).toBe(1)

  const closed = new Promise<void>((resolve) => void pool.once('close', resolve))
  const listener = process.listeners('SIGTERM').find((one) => !others.includes(one))
  listener?.('SIGTERM')
  await expect.poll(() => server.listening).toBe(false)
  expect(await answer).toBe('SELECT')
  await closed
  await expect(fetch(url)).rejects.toThrow('fetch failed')
})
