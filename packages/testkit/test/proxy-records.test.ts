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

/** Returns the records without their times. */
function brief(records: ProxyRecord[]) {
  return records.map((record) => {
    if (record.kind === 'open') return 'open'
    const text = record.kind === 'data' ? ` ${record.bytes.toString()}` : ''
    return `${record.kind} ${record.direction}${text}`
  })
}

test('traffic is recorded in order, in both directions', async () => {
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

test('bytes are recorded unchanged', async () => {
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

test('records include what was written just before the call', async () => {
  const socket = await connected(proxy.port)
  for (let i = 0; i < 20; i += 1) {
    const mark = await proxy.mark()
    socket.write(Buffer.alloc(100_000))
    await vi.waitFor(() => expect(socket.writableLength).toBe(0), { timeout: 20_000, interval: 1 })
    const bytes = (await proxy.records({ since: mark })).flatMap((record) =>
      record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes] : [],
    )
    expect(Buffer.concat(bytes).length).toBe(100_000)
  }
  socket.destroy()
})

test("a client's RST is recorded", async () => {
  const mark = await proxy.mark()
  const socket = await connected(proxy.port)
  socket.resetAndDestroy()
  await expect
    .poll(async () => brief(await proxy.records({ since: mark })))
    .toEqual(['open', 'reset fromClient'])
})

test('an unreachable server is recorded as a RST, and the client gets a RST', async () => {
  const gone = await startEchoServer()
  await using lonely = await startRecordingProxy({ port: gone.port })
  await gone.stop()
  const socket = await connected(lonely.port)
  expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' })
  expect(brief(await lonely.records())).toEqual(['open', 'reset fromServer'])
})

test('the server may listen on a Unix socket', async () => {
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

test('connections have their traffic and whether they are open', async () => {
  const first = await connected(proxy.port)
  const second = await connected(proxy.port)
  await ask(first, '12345')
  second.destroy()
  await vi.waitFor(async () => {
    const [one, two] = (await proxy.connections()).slice(-2)
    expect(one).toMatchObject({ clientPort: first.localPort, bytesFromClient: 5, open: true })
    expect(one).toMatchObject({ bytesFromServer: 5 })
    expect(two).toMatchObject({ bytesFromClient: 0, open: false })
  }, 20_000)
  first.destroy()
})

test('a forked child can use the proxy', async () => {
  const mark = await proxy.mark()
  const seen = await inChild(async () => {
    const socket = await connected(proxy.port)
    await ask(socket, 'mine')
    const own = (await proxy.connections()).at(-1)?.id // Connections of other tests may end now.
    return (await proxy.records({ since: mark })).filter(({ connection }) => connection === own)
  })
  expect(brief(seen)).toEqual(['open', 'data fromClient mine', 'data fromServer mine'])
})
