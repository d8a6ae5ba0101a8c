import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'

const added: (() => void)[] = []
afterEach(() => added.splice(0).forEach((undo) => undo()))

/** Installs a handler as a test runner does, which would report the error elsewhere. */
function handle(event: 'uncaughtException' | 'unhandledRejection' | 'exit') {
  const handler = () => process.exit(99)
  process.on(event, handler)
  added.push(() => process.off(event, handler))
}

test("an uncaught exception in the child is the child's error, not the parent's", async () => {
  handle('uncaughtException')
  await expect(
    inChild(async () => {
      setTimeout(() => {
        throw new Error('out of nowhere')
      }, 1)
      await sleep(60_000)
    }),
  ).rejects.toThrow('out of nowhere')
})

test("an unhandled rejection in the child is the child's error, not the parent's", async () => {
  handle('unhandledRejection')
  await expect(
    inChild(async () => {
      setTimeout(() => void Promise.reject(new Error('unloved')), 1)
      await sleep(60_000)
    }),
  ).rejects.toThrow('unloved')
})

test("the parent's exit handlers do not run in the child", async () => {
  handle('exit')
  expect(await inChild(() => 'quiet')).toBe('quiet')
  await expect(inChild(() => process.exit(4))).rejects.toMatchObject({ exitCode: 4 })
})

test('the child has closed the IPC channel before its work begins', async () => {
  expect(process.connected).toBe(true)
  expect(await inChild(() => [process.connected, process.channel ?? null])).toEqual([false, null])
  expect(process.connected).toBe(true)
})

test("the parent's messages reach the parent while children run", async () => {
  const children = await Promise.all([1, 2, 3].map(() => fork(() => sleep(20_000))))
  // vitest sends every module over the channel that these children have inherited.
  for (let i = 0; i < 50; i += 1) await import(/* @vite-ignore */ `./helpers.ts?${i}`)
  for (const child of children) child.kill()
  const ends = await Promise.allSettled(children.map(({ result }) => result))
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})
