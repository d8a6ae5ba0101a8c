import { startPostgres } from '@forksafe/scripts/postgres'
import { Client } from 'pg'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'

afterEach(() => vi.unstubAllEnvs())

async function start(options: Parameters<typeof startPostgres>[0] = {}) {
  const server = await startPostgres({ own: true, tls: false, ...options })
  onTestFinished(() => server.stop())
  return server
}

async function tell(url: string, ...statements: string[]): Promise<void> {
  const client = new Client(url)
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

test('a password is rotated without errors, and a failed rotation keeps the old one', async () => {
  const { url, host, port } = await start({ roles: { app: 'first' } })
  const ours = { PGHOST: host, PGPORT: String(port), PGUSER: 'app', PGDATABASE: 'postgres' }
  for (const [name, value] of Object.entries({ ...ours, PGPASSWORD: 'first' }))
    vi.stubEnv(name, value)
  const { pool, rotate } = await import('../src/rotation.ts')
  onTestFinished(() => pool.close())

  const load = Array.from({ length: 10 }, async () => {
    for (let n = 0; n < 50; n++) await pool.query('select 1')
  })
  await rotate(async () => {
    await tell(url, "alter role app password 'second'")
    return 'second'
  })
  await Promise.all(load)
  await expect(rotate(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  pool.recycle()
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  expect(pool.stats.generation).toBe(3)
})

test('concurrent writers leave a demoted host once, for the right one', async () => {
  const [old, promoted] = await Promise.all([start(), start()])
  await tell(promoted.url, 'create table written (n int)')
  const readOnly = 'alter system set default_transaction_read_only = on'
  await tell(old.url, 'create table written (n int)', readOnly, 'select pg_reload_conf()')
  vi.stubEnv('DATABASE_URLS', `${old.url},${promoted.url}`)
  const { pool, write } = await import('../src/failover.ts')
  onTestFinished(() => pool.close())
  await expect.poll(async () => readOnlyAt(old.url)).toBe('on')

  await Promise.all(
    Array.from({ length: 10 }, (_, n) => write('insert into written values ($1)', [n])),
  )
  const { rows } = await pool.query('select count(*)::int as rows from written')
  expect(rows).toEqual([{ rows: 10 }])
  expect(pool.stats.generation).toBe(2)
})

async function readOnlyAt(url: string): Promise<unknown> {
  const client = new Client(url)
  await client.connect()
  const { rows } = await client.query<{ value: string }>(
    "select current_setting('default_transaction_read_only') as value",
  )
  await client.end()
  return rows[0]?.value
}
