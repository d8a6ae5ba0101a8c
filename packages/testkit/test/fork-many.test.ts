import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'
import { livePid } from './helpers.ts'

const TWENTY = Array.from({ length: 20 }, (_, i) => i)

test('twenty children one after the other each give their own answer', async () => {
  const answers = []
  for (const i of TWENTY) answers.push(await inChild(() => sleep(1, i)))
  expect(answers).toEqual(TWENTY)
})

test('twenty children at once each give their own answer', async () => {
  const answers = await Promise.all(TWENTY.map((i) => inChild(() => sleep(50, i))))
  expect(answers).toEqual(TWENTY)
})

test('large answers of several children at once do not mix', async () => {
  const answers = await Promise.all(
    TWENTY.slice(0, 5).map((i) => inChild(() => Buffer.alloc(1_000_000, i))),
  )
  expect(answers.map((bytes, i) => bytes.equals(Buffer.alloc(1_000_000, i)))).toEqual(
    Array(5).fill(true),
  )
})

test('a child forks children, and they fork theirs', async () => {
  const pids = await inChild(async () => {
    const own = livePid()
    const below = await Promise.all([
      inChild(() => livePid()),
      inChild(async () => [livePid(), await inChild(livePid)]),
    ])
    return [own, below].flat(3)
  })
  expect(new Set([process.pid, ...pids]).size).toBe(5)
})

test('a grandchild that still runs does not delay the answer of the child', async () => {
  const started = Date.now()
  const answer = await inChild(async () => {
    await fork(() => sleep(60_000))
    return 'now'
  })
  expect(answer).toBe('now')
  expect(Date.now() - started).toBeLessThan(5000)
})

test('an error in a grandchild is an error of the child that awaits it', async () => {
  await expect(
    inChild(() =>
      inChild(() => {
        throw new RangeError('deep')
      }),
    ),
  ).rejects.toMatchObject({ name: 'RangeError', message: 'deep' })
})
