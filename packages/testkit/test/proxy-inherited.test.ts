import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { inChild, startRecordingProxy, type RecordingProxy } from '../src/index.ts'
import { ask, connected, startEchoServer } from './helpers.ts'

let server: Awaited<ReturnType<typeof startEchoServer>>
let proxy: RecordingProxy
let socket: Socket
let mark: number
beforeAll(async () => {
  server = await startEchoServer()
  proxy = await startRecordingProxy({ port: server.port })
})
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})
beforeEach(async () => {
  socket = await connected(proxy.port)
  await ask(socket, 'warm')
  mark = await proxy.mark()
})
afterEach(() => {
  socket.destroy()
})

/** Returns the events on the parent's connection while it only awaited its child. */
function onInherited() {
  return proxy.records({ since: mark, openedBefore: mark })
}

test('a child that calls socket.destroy() leaves no trace', async () => {
  await inChild(async () => {
    socket.destroy()
    await ask(await connected(proxy.port), 'on a connection of its own')
  })
  expect(await onInherited()).toEqual([])
  expect(await ask(socket, 'fine')).toBe('fine')
})

test('a child that dies with the connection open leaves no trace', async () => {
  await expect(inChild(() => process.exit(1))).rejects.toThrow('exited')
  expect(await onInherited()).toEqual([])
  expect(await ask(socket, 'fine')).toBe('fine')
})

test('a write of a child on the inherited connection is recorded', async () => {
  await inChild(async () => {
    socket.write('mistake')
    await vi.waitFor(() => expect(socket.writableLength).toBe(0), 20_000)
  })
  const [first] = await onInherited()
  const bytes = Buffer.from('mistake')
  expect(first).toMatchObject({ kind: 'data', direction: 'fromClient', bytes })
})

test('a FIN of a child on the inherited connection is recorded', async () => {
  await inChild(async () => {
    socket.end()
    await once(socket, 'finish')
  })
  expect((await onInherited())[0]).toMatchObject({ kind: 'end', direction: 'fromClient' })
})

test('a RST of a child on the inherited connection is recorded', async () => {
  await inChild(async () => {
    socket.resetAndDestroy()
    await once(socket, 'close')
  })
  expect(await onInherited()).toEqual([])
  // A close with linger 0 takes effect when the last holder closes, which is the parent.
  socket.destroy()
  await once(socket, 'close')
  expect((await onInherited())[0]).toMatchObject({ kind: 'reset', direction: 'fromClient' })
})
