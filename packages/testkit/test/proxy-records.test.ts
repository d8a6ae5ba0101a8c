import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  inChild,
  startRecordingProxy,
  type ProxyRecord,
  type RecordingProxy,
} from '../src/index.ts'
import { ask, connected, startEchoServer } from './helpers.ts'

let server: Awaited<ReturnType<typeof startEchoServer>>
let proxy: RecordingProxy
beforeAll(async () => {
  server = await startEchoServer()
  proxy = await startRecordingProxy({ port: server.port })
})
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})

/** Without the times. */
function brief(records: ProxyRecord[]) {
  return records.map((record) => {
    if (record.kind === 'open') return 'open'
    const text = record.kind === 'data' ? ` ${record.bytes.toString()}` : ''
    return `${record.kind} ${record.direction}${text}`
  })
}

test('what passes is recorded in order, both ways', async () => {
  const mark = await proxy.mark()
  const socket = await connected(proxy.port)
  expect(await ask(socket, 'hello')).toBe('hello')
  socket.end()
  await once(socket, 'close')
  expect(brief(await proxy.records({ since: mark }))).toEqual([
    'open',
    'data fromClient hello',
    'data fromServer hello',
    'end fromClient',
    'end fromServer',
  ])
})

test('bytes are recorded as they are', async () => {
  const mark = await proxy.mark()
  const socket = await connected(proxy.port)
  const sent = Buffer.from([0, 255, 13, 10, 128])
  socket.write(sent)
  await once(socket, 'data')
  const records = await proxy.records({ since: mark })
  expect(records[1]).toMatchObject({ kind: 'data', direction: 'fromClient', bytes: sent })
  expect(Math.abs((records[1]?.at ?? 0) - Date.now())).toBeLessThan(60_000)
  socket.destroy()
})

test('what was written just before the question is in the answer', async () => {
  const socket = await connected(proxy.port)
  for (let i = 0; i < 20; i += 1) {
    const mark = await proxy.mark()
    socket.write(Buffer.alloc(100_000))
    await vi.waitFor(() => expect(socket.writableLength).toBe(0), { interval: 1 })
    const bytes = (await proxy.records({ since: mark })).flatMap((record) =>
      record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes] : [],
    )
    expect(Buffer.concat(bytes).length).toBe(100_000)
  }
  socket.destroy()
})

test("a client's reset is recorded as such", async () => {
  const mark = await proxy.mark()
  const socket = await connected(proxy.port)
  socket.resetAndDestroy()
  await vi.waitFor(async () =>
    expect(brief(await proxy.records({ since: mark }))).toEqual(['open', 'reset fromClient']),
  )
})

test('a server that cannot be reached is recorded as a reset, and is one to the client', async () => {
  const gone = await startEchoServer()
  await using lonely = await startRecordingProxy({ port: gone.port })
  await gone.stop()
  const socket = await connected(lonely.port)
  expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' })
  expect(brief(await lonely.records())).toEqual(['open', 'reset fromServer'])
})

test('a server on a Unix socket can be stood in front of', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const path = join(folder, 'socket')
  const unix = await startEchoServer(path)
  await using before = await startRecordingProxy({ path })
  const socket = await connected(before.port)
  expect(await ask(socket, 'hello')).toBe('hello')
  socket.destroy()
  await unix.stop()
  rmSync(folder, { recursive: true })
})

test('connections are told with their traffic and whether they are open', async () => {
  const first = await connected(proxy.port)
  const second = await connected(proxy.port)
  await ask(first, '12345')
  second.destroy()
  await vi.waitFor(async () => {
    const [one, two] = (await proxy.connections()).slice(-2)
    expect(one).toMatchObject({ clientPort: first.localPort, bytesFromClient: 5, open: true })
    expect(one).toMatchObject({ bytesFromServer: 5 })
    expect(two).toMatchObject({ bytesFromClient: 0, open: false })
  })
  first.destroy()
})

test('a forked child can ask the proxy as well', async () => {
  const mark = await proxy.mark()
  const seen = await inChild(async () => {
    const socket = await connected(proxy.port)
    await ask(socket, 'mine')
    return proxy.records({ since: mark })
  })
  expect(brief(seen)).toEqual(['open', 'data fromClient mine', 'data fromServer mine'])
})
