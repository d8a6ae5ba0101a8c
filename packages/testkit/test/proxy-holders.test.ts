import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fork, inChild, startRecordingProxy, type RecordingProxy } from '../src/index.ts'
import { ask, connected, livePid, startEchoServer } from './helpers.ts'

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

async function holders(): Promise<readonly number[] | undefined> {
  return (await proxy.connections()).at(-1)?.holders
}

test('a connection of this process shows it as its opener and holder', async () => {
  const socket = await connected(proxy.port)
  expect((await proxy.connections()).at(-1)).toMatchObject({
    openedBy: process.pid,
    holders: [process.pid],
  })
  socket.destroy()
  await expect.poll(() => holders()).toEqual([])
})

test('a connection that a child opens shows the child as its opener', async () => {
  const mark = await proxy.mark()
  const child = await inChild(async () => {
    await ask(await connected(proxy.port), 'hello')
    return livePid()
  })
  expect((await proxy.records({ since: mark }))[0]).toMatchObject({ kind: 'open', openedBy: child })
})

test('a child holds an inherited connection until it closes its copy', async () => {
  const socket = await connected(proxy.port)
  const child = await fork(async () => {
    const before = await holders()
    socket.destroy()
    return [before, await holders()]
  })
  const [before, after] = await child.result
  expect(before).toEqual([process.pid, child.pid])
  expect(after).toEqual([process.pid])
  expect(await ask(socket, 'still mine')).toBe('still mine')
  socket.destroy()
})

test('a child that does nothing holds an inherited connection until it ends', async () => {
  const socket = await connected(proxy.port)
  const child = await fork(() => sleep(60_000))
  expect(await holders()).toEqual([process.pid, child.pid])
  child.kill()
  await expect(child.result).rejects.toThrow('SIGKILL')
  expect(await holders()).toEqual([process.pid])
  socket.destroy()
})

test('a connection stays open in the child after the parent has closed its copy', async () => {
  const socket = await connected(proxy.port)
  await ask(socket, 'accepted?')
  const child = await fork(() => sleep(60_000))
  socket.destroy()
  await once(socket, 'close')
  expect((await proxy.connections()).at(-1)).toMatchObject({
    openedBy: process.pid,
    holders: [child.pid],
    open: true,
  })
  child.kill()
  await expect(child.result).rejects.toThrow('SIGKILL')
})
