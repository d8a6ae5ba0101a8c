import { afterAll, beforeAll, expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'
import { ask, blockFor, connected, startEchoServer } from './helpers.ts'

let server: Awaited<ReturnType<typeof startEchoServer>>
beforeAll(async () => {
  server = await startEchoServer()
})
afterAll(() => server.stop())

test("the parent's connection keeps working while a child runs and after it has closed its copy", async () => {
  const socket = await connected(server.port)
  const child = await fork(() => {
    socket.destroy()
    return socket.destroyed
  })
  expect(await ask(socket, 'during')).toBe('during')
  expect(await child.result).toBe(true)
  expect(await ask(socket, 'after')).toBe('after')
  socket.destroy()
})

test('the parent gets its answer if it forks between request and answer', async () => {
  const socket = await connected(server.port)
  for (let i = 0; i < 20; i += 1) {
    const answer = ask(socket, `question ${i}`)
    await inChild(() => {
      socket.destroy()
    })
    expect(await answer).toBe(`question ${i}`)
  }
  socket.destroy()
})

test('a child that does not close its copy reads what was sent to the parent', async () => {
  const socket = await connected(server.port)
  const child = await fork(() => ask(socket, 'whose?'))
  blockFor(300) // Else this process might be the quicker one.
  expect(await child.result).toBe('whose?')
  socket.destroy()
})
