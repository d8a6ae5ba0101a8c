import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'
import { processState } from './helpers.ts'

function openFds(): number {
  return readdirSync('/proc/self/fd').length
}

function childrenOfThisProcess(): string {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').trim()
}

test('no zombie is left, no matter how the child ended', async () => {
  const children = [
    await fork(() => 1),
    await fork(() => Promise.reject(new Error('failed'))),
    await fork(() => process.exit(1)),
    await fork(() => sleep(60_000), { timeoutMillis: 20 }),
  ]
  await Promise.allSettled(children.map(({ result }) => result))
  expect(children.map(({ pid }) => processState(pid))).toEqual(Array(4).fill('gone'))
  expect(childrenOfThisProcess()).toBe('')
})

test('no file descriptor is left in the parent', async () => {
  await inChild(() => 1)
  const before = openFds()
  for (let i = 0; i < 10; i += 1) {
    await inChild(() => i)
    await expect(inChild(() => process.exit(1))).rejects.toThrow('exited')
  }
  await Promise.all(Array.from({ length: 10 }, () => inChild(() => sleep(5))))
  // libuv closes a handle at the end of a turn of the event loop.
  await expect.poll(() => openFds()).toBe(before)
})

test('a child holds no pipe of its siblings or of its grandparent', async () => {
  const lazy = await fork(() => sleep(60_000))
  const inherited = await inChild(async () => {
    await sleep(5)
    const here = openFds()
    const below = await inChild(() => sleep(5).then(openFds))
    return below - here
  })
  lazy.kill()
  await expect(lazy.result).rejects.toThrow('SIGKILL')
  expect(inherited).toBe(0)
})

test('a pending result keeps the process alive, and nothing afterwards does', async () => {
  const before = process.getActiveResourcesInfo().length
  const child = await fork(() => sleep(50))
  expect(process.getActiveResourcesInfo().length).toBeGreaterThan(before)
  await child.result
  await expect.poll(() => process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before)
})
