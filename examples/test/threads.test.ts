import { createForkSafePool } from '@forksafe/core'
import { inChild, testDriver } from '@forksafe/testkit'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { threadDriver } from '../src/threads/driver.ts'

const program = fileURLToPath(new URL('support/thread.mjs', import.meta.url))

await testDriver(threadDriver, {
  connection: () => program,
  echo: async (thread, text) => String(await thread.run({ ping: text })),
  kill: (thread) => thread.run({ exit: 1 }).catch(() => undefined),
  without: {
    server: 'a thread is not a connection',
    fork: 'a forked child has no threads',
    reset: 'the program keeps nothing between two tasks',
    classify: 'a missing program is a mistake in the code',
  },
})

test('tasks run in free threads, and a thread that ends rejects its task', async () => {
  await using pool = createForkSafePool(threadDriver, { connection: program, max: 2 })
  const sums = [1, 2, 3].map((number) => pool.run({ add: [number, number] }))
  expect(await Promise.all(sums)).toEqual([2, 4, 6])
  expect(pool.stats.size).toBeLessThanOrEqual(2)
  await expect(pool.run({ exit: 3 })).rejects.toThrow('The thread ended.')
  expect(await pool.run({ add: [1, 2] })).toBe(3)
})

test('a forked child discards its copies of threads, and the parent continues with them', async () => {
  await using pool = createForkSafePool(threadDriver, { connection: program, max: 1 })
  expect(await pool.run({ add: [1, 1] })).toBe(2)
  expect(await inChild(() => pool.stats.size)).toBe(0)
  const created: number[] = []
  pool.on('create', () => created.push(1))
  expect(await pool.run({ add: [2, 2] })).toBe(4)
  expect(created).toEqual([])
})
