import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { inChild, startRecordingProxy, type RecordingProxy } from '../src/index.ts'
import { ask, startEchoServer } from './helpers.ts'

const folder = mkdtempSync(join(tmpdir(), 'forksafe-proxy-'))
const path = join(folder, 'proxy.sock')
let server: Awaited<ReturnType<typeof startEchoServer>>
let proxy: RecordingProxy
beforeAll(async () => {
  server = await startEchoServer()
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  proxy = await startRecordingProxy({ port: server.port }, { path })
  return () => proxy.stop()
})

async function connected(): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  return socket
}

test('a proxy on a Unix socket records traffic, but no holders', async () => {
  const socket = await connected()
  expect(await ask(socket, 'hello')).toBe('hello')
  expect(proxy).toMatchObject({ path, port: 0 })
  expect(await proxy.records()).toMatchObject([
    { kind: 'open', openedBy: undefined },
    { kind: 'data', direction: 'fromClient', bytes: Buffer.from('hello') },
    { kind: 'data', direction: 'fromServer', bytes: Buffer.from('hello') },
  ])
  expect(await proxy.connections()).toMatchObject([
    { clientPort: undefined, openedBy: undefined, holders: [], bytesFromClient: 5, open: true },
  ])
  socket.destroy()
})

test.each(['closes it silently', 'ends it'])(
  'a child that has inherited a connection to a Unix socket and %s is recorded correctly',
  async (how) => {
    const socket = await connected()
    await ask(socket, 'warm')
    const mark = await proxy.mark()
    await inChild(async () => {
      if (how === 'ends it') {
        socket.end()
        await once(socket, 'finish')
      } else socket.destroy()
    })
    const [first] = await proxy.records({ since: mark, openedBefore: mark })
    expect(first?.kind).toBe(how === 'ends it' ? 'end' : undefined)
    socket.destroy()
  },
)

test('a proxy on a Unix socket can refuse, and accept again', async () => {
  await proxy.refuse()
  await expect(connected()).rejects.toMatchObject({ code: 'ENOENT' })
  await proxy.accept()
  const socket = await connected()
  expect(await ask(socket, 'again')).toBe('again')
  socket.destroy()
})

test('a stopped proxy leaves no file', async () => {
  expect(existsSync(path)).toBe(true)
  await proxy.stop()
  expect(existsSync(path)).toBe(false)
})
