import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { startMemcached } from '@forksafe/scripts/memcached'
import { expect, it, onTestFinished, vi } from 'vitest'

const scripts = fileURLToPath(new URL('..', import.meta.url))

async function start(options?: Parameters<typeof startMemcached>[0]) {
  const server = await startMemcached(options)
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
  socket.write([...commands, 'quit', ''].join('\r\n'))
  return (await text(socket)).trim().split('\r\n')
}

// The timeout includes the installation of the server.
const INSTALL_MILLIS = 120_000

it(
  'serves with and without TLS, and logs what it is asked',
  async () => {
    const server = await start()
    const { port, tlsPort, ca, version } = server
    expect(await ask({ port }, 'version')).toEqual([`VERSION ${version}`])
    expect(await ask({ port: tlsPort, ca }, 'get nothing')).toEqual(['END'])
    expect(server.log()).toMatch(/<(\d+) get nothing[^]*<\1 quit/)
  },
  INSTALL_MILLIS,
)

it('rejects surplus connections', async () => {
  const server = await start({ tls: false, maxConnections: 30 })
  const sockets = Array.from({ length: 30 }, () => connect(server.port, server.host))
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()))
  const last = sockets.at(-1)
  expect(last && (await text(last))).toBe('ERROR Too many open connections\r\n')
})

it('keeps its port after a crash, and is removed when stopped', async () => {
  const server = await start({ tls: false })
  await server.restart()
  expect(await ask(server, 'get nothing')).toEqual(['END'])
  await Promise.all([server.stop(), server.stop()])
  await expect(ask(server, 'version')).rejects.toThrow(/ECONNREFUSED/)
})

it('a setting that the server rejects is reported with its log', async () => {
  await expect(start({ maxConnections: 0 })).rejects.toThrow(/did not start.*connections/is)
})

it('exits with its process', async () => {
  const script = `
    import { startMemcached } from './dist/servers/memcached.js'
    const { port } = await startMemcached({ tls: false })
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
  await vi.waitFor(() => expect(ask({ port }, 'version')).rejects.toThrow(/ECONNREFUSED/), 10_000)
})
