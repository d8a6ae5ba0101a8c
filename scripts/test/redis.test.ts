import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { startRedis } from '@forksafe/scripts/redis'
import { expect, it, onTestFinished, vi } from 'vitest'

const scripts = fileURLToPath(new URL('..', import.meta.url))

async function start(options: Parameters<typeof startRedis>[0] = {}) {
  const server = await startRedis({ own: true, ...options })
  onTestFinished(() => server.stop())
  return server
}

/** Returns the server's answers to these commands, until it closes the connection. */
async function ask(
  { port, ca }: { port: number | undefined; ca?: string | undefined },
  ...commands: string[]
): Promise<string[]> {
  const to = { host: '127.0.0.1', port: port ?? 0 }
  const socket = ca === undefined ? connect(to) : connectTls({ ...to, ca })
  socket.write([...commands, 'QUIT', ''].join('\r\n'))
  return (await text(socket)).trim().split('\r\n')
}

// The timeout includes the installation of the server.
const INSTALL_MILLIS = 120_000

it(
  'serves with and without TLS, and on a Unix socket',
  async () => {
    const { port, tlsPort, ca, socketPath, version } = await start()
    expect(await ask({ port }, 'PING')).toEqual(['+PONG', '+OK'])
    expect(await ask({ port: tlsPort, ca }, 'PING')).toEqual(['+PONG', '+OK'])
    const socket = connect(socketPath ?? '')
    socket.write('QUIT\r\n')
    expect(await text(socket)).toBe('+OK\r\n')
    expect(version).toMatch(/^\d+\.\d+/)
  },
  INSTALL_MILLIS,
)

it('requires a password', async () => {
  const { port } = await start({ tls: false, password: 's"ecret' })
  const [refused, accepted] = await ask({ port }, 'PING', `AUTH 's"ecret'`)
  expect(refused).toMatch(/^-NOAUTH/)
  expect(accepted).toBe('+OK')
})

it('keeps its port after a crash, and is removed when stopped', async () => {
  const server = await start({ tls: false, settings: { maxmemory: '64mb' } })
  await server.restart()
  expect(await ask(server, 'CONFIG GET maxmemory')).toContain(String(64 * 2 ** 20))
  await Promise.all([server.stop(), server.stop()])
  await expect(ask(server, 'PING')).rejects.toThrow(/ECONNREFUSED/)
})

it('a setting that the server rejects is reported with its log', async () => {
  await expect(start({ settings: { maxclients: 'many' } })).rejects.toThrow(/maxclients/)
})

it('an address in the environment is used, and its server is not stopped', async () => {
  vi.stubEnv('FORKSAFE_REDIS_URL', 'redis://me:p%40ss@127.0.0.1:7777')
  onTestFinished(() => void vi.unstubAllEnvs())
  const server = await startRedis()
  expect(server).toMatchObject({ port: 7777, username: 'me', password: 'p@ss', source: 'url' })
  await server.stop()
  await expect(server.restart()).rejects.toThrow('not ours to stop')
})

it('exits with its process', async () => {
  const script = `
    import { startRedis } from './dist/servers/redis/index.js'
    const { port } = await startRedis({ own: true, tls: false })
    console.log(port)
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: scripts,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [line] = await once(child.stdout, 'data')
  const port = Number(line)
  child.kill('SIGKILL')
  await vi.waitFor(() => expect(ask({ port }, 'PING')).rejects.toThrow(/ECONNREFUSED/), 10_000)
})
