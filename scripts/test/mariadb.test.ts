import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { startMariadb } from '@forksafe/scripts/mariadb'
import { expect, it, onTestFinished, vi } from 'vitest'

const scripts = fileURLToPath(new URL('..', import.meta.url))

async function start(options: Parameters<typeof startMariadb>[0] = {}) {
  const server = await startMariadb({ own: true, ...options })
  onTestFinished(() => server.stop())
  return server
}

/** Reads the server's greeting, which contains its version and whether it supports TLS. */
async function greeting(to: { port: number } | { path: string }) {
  const socket = connect({ host: '127.0.0.1', ...to })
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('No greeting came')))
  const [bytes] = (await Promise.race([once(socket, 'data'), closed])) as [Buffer]
  socket.destroy()
  const afterVersion = bytes.indexOf(0, 5) + 1
  // After the version come 4 bytes of id, 8 of salt, a filler, and the capabilities.
  const capabilities = bytes.readUInt16LE(afterVersion + 13)
  const CLIENT_SSL = 0x800
  return { text: bytes.toString('latin1'), tls: (capabilities & CLIENT_SSL) !== 0 }
}

// The timeout includes the installation of the server.
const INSTALL_MILLIS = 120_000

it(
  'serves over TCP, with TLS, and on a Unix socket; keeps its port over a crash; is gone when it was stopped',
  async () => {
    const server = await start()
    const { port, version, socketPath } = server
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    const words = { text: expect.stringContaining(`${version}-MariaDB`), tls: true }
    expect(await greeting({ port })).toEqual(words)
    expect(await greeting({ path: socketPath ?? '' })).toMatchObject({ text: words.text })
    await server.restart()
    expect(await greeting({ port })).toEqual(words)
    await Promise.all([server.stop(), server.stop()])
    await expect(greeting({ port })).rejects.toThrow(/ECONNREFUSED/)
  },
  INSTALL_MILLIS,
)

it('a setting that the server rejects is reported with its log', async () => {
  await expect(start({ settings: { no_such_setting: '1' } })).rejects.toThrow(/no_such_setting/)
})

it('an address in the environment is used, and its server is not stopped', async () => {
  vi.stubEnv('FORKSAFE_MYSQL_URL', 'mysql://me:p%40ss@127.0.0.1:7777/shop')
  onTestFinished(() => void vi.unstubAllEnvs())
  const server = await startMariadb()
  expect(server).toMatchObject({
    port: 7777,
    user: 'me',
    password: 'p@ss',
    database: 'shop',
    source: 'url',
  })
  await server.stop()
  await expect(server.restart()).rejects.toThrow('not ours to stop')
})

it('serves without TLS if requested, and exits with its process', async () => {
  const script = `
    import { startMariadb } from './dist/servers/mariadb.js'
    const { port } = await startMariadb({ own: true, tls: false })
    console.log(port)
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: scripts,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [line] = await once(child.stdout, 'data')
  const port = Number(line)
  expect(await greeting({ port })).toMatchObject({ tls: false })
  child.kill('SIGKILL')
  await vi.waitFor(() => expect(greeting({ port })).rejects.toThrow(/ECONNREFUSED/), 10_000)
})
