import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pgBouncerSupported, startPgBouncer } from '@forksafe/scripts/pgbouncer'
import { startPostgres } from '@forksafe/scripts/postgres'
import { Client, type ClientConfig } from 'pg'
import { beforeAll, beforeEach, expect, it, onTestFinished, vi } from 'vitest'

const scripts = fileURLToPath(new URL('..', import.meta.url))
let support: Awaited<ReturnType<typeof pgBouncerSupported>>
let server: Awaited<ReturnType<typeof startPostgres>>

// The timeout includes the installation of PgBouncer.
beforeAll(async () => {
  support = await pgBouncerSupported()
  server = await startPostgres({ own: true, roles: { app: 's"ecret' } })
  return () => server.stop()
}, 120_000)
beforeEach(({ skip }) => {
  if (!support.supported) skip(support.reason)
})

async function start(options: Omit<Parameters<typeof startPgBouncer>[0], 'server'>) {
  const bouncer = await startPgBouncer({ server, ...options })
  onTestFinished(() => bouncer.stop())
  return bouncer
}

/** Returns the single value of a query's result. */
async function ask(config: ClientConfig, query: string): Promise<unknown> {
  const client = new Client({ database: 'postgres', user: 'postgres', ...config })
  await client.connect()
  const { rows } = await client.query<{ value: unknown }>(`select (${query}) as value`)
  await client.end()
  return rows[0]?.value
}

it('a client that leaves frees its server connection for the next', async () => {
  const bouncer = await start({ mode: 'session', settings: { default_pool_size: '1' } })
  const { host, port } = bouncer
  const first = await ask({ host, port }, 'pg_backend_pid()')
  expect(await ask({ host, port }, 'pg_backend_pid()')).toBe(first)
  expect(bouncer.version).toMatch(/^1\.\d+/)
})

it('requires the password of a role', async () => {
  const { host, port } = await start({ mode: 'transaction', roles: { app: 's"ecret' } })
  const app = { host, port, user: 'app' }
  expect(await ask({ ...app, password: 's"ecret' }, 'current_user')).toBe('app')
  await expect(ask({ ...app, password: 'wrong' }, '1')).rejects.toThrow(/authentication failed/)
})

it('keeps its port after a crash, and is removed when stopped', async () => {
  const bouncer = await start({ mode: 'session' })
  const { host, port } = bouncer
  await bouncer.restart()
  expect(await ask({ host, port }, '1')).toBe(1)
  await Promise.all([bouncer.stop(), bouncer.stop()])
  await expect(ask({ host, port }, '1')).rejects.toThrow(/ECONNREFUSED/)
})

it('a setting that the server rejects is reported with its log', async () => {
  await expect(start({ mode: 'session', settings: { max_client_conn: 'many' } })).rejects.toThrow(
    /max_client_conn/,
  )
})

it('exits with its process', async () => {
  const script = `
    import { startPgBouncer } from './dist/servers/pgbouncer.js'
    const { host, port } = await startPgBouncer({ server: { host: '127.0.0.1', port: 1 }, mode: 'session' })
    console.log(JSON.stringify({ host, port }))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: scripts,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [line] = await once(child.stdout, 'data')
  const address: { host: string; port: number } = JSON.parse(String(line))
  child.kill('SIGKILL')
  await vi.waitFor(() => expect(ask(address, '1')).rejects.toThrow(/ECONNREFUSED/), 10_000)
})
