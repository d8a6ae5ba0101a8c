import { createForkSafePool } from '@forksafe/core'
import { pgDriver } from '@forksafe/driver-pg'
import { startPostgres } from '@forksafe/scripts/postgres'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { maxPerWorker } from '../src/sizing.ts'
import { takeSnapshot } from '../src/snapstart.ts'

afterEach(() => vi.unstubAllEnvs())

/** Records the reasons of process changes from now on. */
function changesOfAPool(): string[] {
  const reasons: string[] = []
  const pool = createForkSafePool(pgDriver, { connection: '' })
  pool.on('processChange', ({ reason }) => reasons.push(reason))
  onTestFinished(() => pool.close())
  return reasons
}

test('a signal makes a restored program discard its connections', async () => {
  await import('../src/restore.ts')
  onTestFinished(() => void process.removeAllListeners('SIGUSR2'))
  const reasons = changesOfAPool()
  process.kill(process.pid, 'SIGUSR2')
  await expect.poll(() => reasons).toEqual(['restore'])
})

test('a Lambda runtime restores its pools when it continues from the snapshot, and not before', async () => {
  const reasons = changesOfAPool()
  let resume = (): void => undefined
  const api = createServer((request, response) => {
    expect(request.url).toBe('/2018-06-01/runtime/restore/next')
    resume = () => response.end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void api.close())
  await once(api, 'listening')
  vi.stubEnv('AWS_LAMBDA_RUNTIME_API', `127.0.0.1:${(api.address() as AddressInfo).port}`)

  await takeSnapshot()
  expect(reasons).toEqual([])

  vi.stubEnv('AWS_LAMBDA_INITIALIZATION_TYPE', 'snap-start')
  const asked = once(api, 'request')
  const taken = takeSnapshot()
  await asked
  expect(reasons).toEqual([])
  resume()
  await taken
  expect(reasons).toEqual(['restore'])
})

test('pools of the computed size fill the server together without exceeding it', async () => {
  // A private server, whichever server other tests use.
  vi.stubEnv('FORKSAFE_PG_URL', '')
  const settings = { max_connections: '20', superuser_reserved_connections: '3' }
  await using server = await startPostgres({ settings, roles: { app: 'secret' } })
  const sizing = { maxConnections: 20, reserved: 3, others: 1, workers: 4, overlap: 2 }
  const max = maxPerWorker(sizing)
  expect(max).toBe(2)

  const connection = {
    host: server.host,
    port: server.port,
    user: 'app',
    password: 'secret',
    database: 'postgres',
  }
  const pools = Array.from({ length: sizing.workers * sizing.overlap }, () =>
    createForkSafePool(pgDriver, { connection, min: max, max }),
  )
  await Promise.all(pools.map((pool) => pool.warmUp()))
  const count = "SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE usename = 'app'"
  const rows = await Promise.all(
    pools.slice(0, 1).map(async (pool) => (await pool.query(count)).rows),
  )
  expect(rows).toEqual([[{ sessions: 16 }]])

  // One more worker than planned uses up the connections of the other clients.
  const surplus = createForkSafePool(pgDriver, { connection, min: max, max })
  await expect(surplus.warmUp()).rejects.toMatchObject({ cause: { code: '53300' } })
  await Promise.all([...pools, surplus].map((pool) => pool.close()))
})

test('more workers than the server has room for are rejected', () => {
  expect(() =>
    maxPerWorker({ maxConnections: 100, reserved: 3, others: 5, workers: 60, overlap: 2 }),
  ).toThrow('put a pooler between')
})
