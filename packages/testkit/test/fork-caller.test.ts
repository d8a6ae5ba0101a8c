import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fork, inChild } from '../src/index.ts'

test('the fork happens at the call, not later', async () => {
  let state = 'before'
  const forking = fork(() => state)
  state = 'after'
  expect(await (await forking).result).toBe('before')
})

test('the code after `await fork()` runs only in the parent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const diary = join(folder, 'diary')
  const child = await fork(() => sleep(100))
  appendFileSync(diary, 'after\n')
  await child.result
  expect(readFileSync(diary, 'utf8')).toBe('after\n')
  rmSync(folder, { recursive: true })
})

test('a loop that forks continues only in the parent', async () => {
  const forking = []
  for (let i = 0; i < 5; i += 1) forking.push(fork(() => sleep(50, i)))
  const children = await Promise.all(forking)
  expect(await Promise.all(children.map(({ result }) => result))).toEqual([0, 1, 2, 3, 4])
})

test('code of the parent that continues in the child cannot fork', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const diary = join(folder, 'diary')
  // The timer fires in both processes.
  const forkLater = sleep(20).then(() => inChild(() => appendFileSync(diary, 'forked\n')))
  await inChild(() => sleep(200))
  await forkLater
  expect(readFileSync(diary, 'utf8')).toBe('forked\n')
  rmSync(folder, { recursive: true })
})

test("a promise of the parent that rejects in the child does not fail the child's work", async () => {
  let fail: (error: Error) => void = () => undefined
  const lost = new Promise<void>((_resolve, reject) => {
    fail = reject
  })
  const answer = await inChild(async () => {
    fail(new Error('the parent would have handled it'))
    await sleep(20)
    return 'done'
  })
  expect(answer).toBe('done')
  fail(new Error('handled'))
  await expect(lost).rejects.toThrow('handled')
})

test("the child's work can await a promise of the parent", async () => {
  const promise = sleep(30, 'both')
  expect(await inChild(() => promise)).toBe('both')
  expect(await promise).toBe('both')
})
