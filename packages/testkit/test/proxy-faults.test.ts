import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startRecordingProxy, type RecordingProxy } from '../src/index.ts'
import { ask, connected, startEchoServer } from './helpers.ts'

let server: Awaited<ReturnType<typeof startEchoServer>>
let proxy: RecordingProxy
beforeAll(async () => {
  server = await startEchoServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  proxy = await startRecordingProxy({ port: server.port })
  return () => proxy.stop()
})

const SILENCE = Symbol('nothing came')

/** Resolves with the answer, or that there was none for a while. */
function within(millis: number, answer: Promise<string>) {
  return Promise.race([answer, sleep(millis, SILENCE)])
}

test('a held proxy accepts and records everything, and forwards nothing until it is resumed', async () => {
  const socket = await connected(proxy.port)
  await proxy.hold()
  const answer = ask(socket, 'lost?')
  expect(await within(100, answer)).toBe(SILENCE)
  expect((await proxy.connections())[0]).toMatchObject({ bytesFromClient: 5, bytesFromServer: 0 })
  await proxy.resume()
  expect(await answer).toBe('lost?')
  socket.destroy()
})

test('answers can be held alone, while the server receives the requests', async () => {
  const socket = await connected(proxy.port)
  await proxy.hold({ direction: 'fromServer' })
  const answer = ask(socket, 'done')
  expect(await within(100, answer)).toBe(SILENCE)
  expect((await proxy.connections())[0]).toMatchObject({ bytesFromServer: 4 })
  await proxy.resume()
  expect(await answer).toBe('done')
  socket.destroy()
})

test('hold applies to new connections too, or to one connection only', async () => {
  const [first, second] = [await connected(proxy.port), await connected(proxy.port)]
  await proxy.hold({ connection: 1 })
  expect(await ask(second, 'free')).toBe('free')
  expect(await within(50, ask(first, 'held'))).toBe(SILENCE)
  await proxy.hold()
  const third = await connected(proxy.port)
  expect(await within(50, ask(third, 'held'))).toBe(SILENCE)
  for (const socket of [first, second, third]) socket.destroy()
})

test('a delay applies to each direction, and can be ended', async () => {
  const socket = await connected(proxy.port)
  await proxy.delay(500)
  const started = performance.now()
  expect(await ask(socket, 'slow')).toBe('slow')
  expect(performance.now() - started).toBeGreaterThan(999)
  await proxy.delay(600_000)
  await proxy.delay(0)
  expect(await ask(socket, 'fast')).toBe('fast')
  socket.destroy()
})

test('a delay keeps the order', async () => {
  const socket = await connected(proxy.port)
  await proxy.delay(50)
  socket.write('a')
  await sleep(10)
  await proxy.delay(0)
  socket.write('b')
  let heard = ''
  while (heard.length < 2) heard += String((await once(socket, 'data'))[0])
  expect(heard).toBe('ab')
  socket.destroy()
})

test('a cut resets every connection, and new ones work', async () => {
  const sockets = [await connected(proxy.port), await connected(proxy.port)]
  const errors = sockets.map((socket) => once(socket, 'error'))
  await proxy.cut()
  for (const error of errors) expect((await error)[0]).toMatchObject({ code: 'ECONNRESET' })
  const socket = await connected(proxy.port)
  expect(await ask(socket, 'new')).toBe('new')
  socket.destroy()
})

test('a cut can be a FIN, and of one connection', async () => {
  const [first, second] = [await connected(proxy.port), await connected(proxy.port)]
  const ended = once(first.resume(), 'end')
  await proxy.cut({ connection: 1, how: 'end' })
  await ended
  expect(await ask(second, 'alive')).toBe('alive')
  second.destroy()
})

test('a refusing proxy acts like a server that is down, until it accepts again', async () => {
  const before = await connected(proxy.port)
  await proxy.refuse()
  await proxy.refuse()
  await expect(connected(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(await ask(before, 'goes on')).toBe('goes on')
  await proxy.accept()
  await proxy.accept()
  const after = await connected(proxy.port)
  expect(await ask(after, 'again')).toBe('again')
  before.destroy()
  after.destroy()
})

test('an unknown connection rejects, and the error names the range of ids', async () => {
  await expect(proxy.cut({ connection: 7 })).rejects.toThrow(
    'Expected `connection` to be from 1 to 0, got 7',
  )
})
