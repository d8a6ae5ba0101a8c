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

/** What happened on the connection of the parent while it only awaited its child. */
function onInherited() {
  return proxy.records({ since: mark, openedBefore: mark })
}

test('a child that lets go by socket.destroy() leaves no trace', async () => {
  await inChild(async () => {
    socket.destroy()
    await ask(await connected(proxy.port), 'on a connection of its own')
  })
  expect(await onInherited()).toEqual([])
  expect(await ask(socket, 'fine')).toBe('fine')
})

test('a child that dies holding the connection leaves no trace', async () => {
  await expect(inChild(() => process.exit(1))).rejects.toThrow('exited')
  expect(await onInherited()).toEqual([])
  expect(await ask(socket, 'fine')).toBe('fine')
})

test('a child that writes on the inherited connection is seen', async () => {
  await inChild(async () => {
    socket.write('mistake')
    await vi.waitFor(() => expect(socket.writableLength).toBe(0))
  })
  const [first] = await onInherited()
  const bytes = Buffer.from('mistake')
  expect(first).toMatchObject({ kind: 'data', direction: 'fromClient', bytes })
})

test('a child that ends the inherited connection is seen', async () => {
  await inChild(async () => {
    socket.end()
    await once(socket, 'finish')
  })
  expect((await onInherited())[0]).toMatchObject({ kind: 'end', direction: 'fromClient' })
})

test('a child that resets the inherited connection is seen', async () => {
  await inChild(async () => {
    socket.resetAndDestroy()
    await once(socket, 'close')
  })
  expect(await onInherited()).toEqual([])
  // A close with linger 0 takes effect when the last holder closes: it comes with the parent's polite close.
  socket.destroy()
  await once(socket, 'close')
  expect((await onInherited())[0]).toMatchObject({ kind: 'reset', direction: 'fromClient' })
})
