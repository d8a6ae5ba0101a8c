import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'
import { livePid } from './helpers.ts'

const TWENTY = Array.from({ length: 20 }, (_, i) => i)

test('twenty consecutive children each return their own result', async () => {
  const answers = []
  for (const i of TWENTY) answers.push(await inChild(() => sleep(1, i)))
  expect(answers).toEqual(TWENTY)
})

test('twenty concurrent children each return their own result', async () => {
  const answers = await Promise.all(TWENTY.map((i) => inChild(() => sleep(50, i))))
  expect(answers).toEqual(TWENTY)
})

test('large results of concurrent children do not mix', async () => {
  const answers = await Promise.all(
    TWENTY.slice(0, 5).map((i) => inChild(() => Buffer.alloc(1_000_000, i))),
  )
  expect(answers.map((bytes, i) => bytes.equals(Buffer.alloc(1_000_000, i)))).toEqual(
    Array(5).fill(true),
  )
})

test('children can fork children of their own', async () => {
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

test('a running grandchild does not delay the result of the child', async () => {
  const answer = await inChild(async () => {
    await fork(() => sleep(600_000))
    return 'now'
  })
  expect(answer).toBe('now')
})

test('an error in a grandchild rejects in the child that awaits it', async () => {
  await expect(
    inChild(() =>
      inChild(() => {
        throw new RangeError('deep')
      }),
    ),
  ).rejects.toMatchObject({ name: 'RangeError', message: 'deep' })
})
