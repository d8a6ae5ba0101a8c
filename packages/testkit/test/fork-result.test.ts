import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ChildWorkError, fork, inChild } from '../src/index.ts'
import { failure, livePid } from './helpers.ts'

test('synchronous work runs in another process, and its result is returned', async () => {
  const child = await fork(livePid)
  expect(await child.result).toBe(child.pid)
  expect(child.pid).not.toBe(process.pid)
})

test('the result of asynchronous work is returned', async () => {
  expect(await inChild(() => sleep(5, 'later'))).toBe('later')
})

test('a result may contain maps, dates and buffers, or be undefined', async () => {
  const result = { map: new Map([['a', new Date(0)]]), bytes: Buffer.from('xyz'), none: undefined }
  expect(await inChild(() => result)).toEqual(result)
  expect(await inChild(() => undefined)).toBeUndefined()
})

test('a result larger than a pipe is returned completely', async () => {
  const bytes = await inChild(() => Buffer.alloc(20_000_000, 7))
  expect(bytes.equals(Buffer.alloc(20_000_000, 7))).toBe(true)
})

test('a result that cannot be copied rejects, and the error says so', async () => {
  await expect(inChild(() => () => 1)).rejects.toThrow('could not be cloned')
})

test('an error thrown in the child arrives with its name, message, code and cause', async () => {
  const error = await failure(
    inChild(() => {
      const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
      throw Object.assign(new TypeError('no connection', { cause }), { code: 'E_TRIED' })
    }),
  )
  expect(error).toBeInstanceOf(ChildWorkError)
  expect(error).toMatchObject({
    name: 'TypeError',
    message: 'no connection',
    code: 'E_TRIED',
    cause: { message: 'refused', code: 'ECONNREFUSED' },
  })
})

test('the stack of an error of a child names the child and the line that threw', async () => {
  const child = await fork(async () => {
    await sleep(1)
    throw new Error('late')
  })
  expect(await failure(child.result)).toMatchObject({
    childPid: child.pid,
    stack: expect.stringMatching(
      new RegExp(String.raw`^\[in forked child ${child.pid}\] Error: late\n.*fork-result\.test`),
    ) as string,
  })
})

test('a thrown value that is not an Error is described in the message', async () => {
  await expect(
    inChild(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- the point
      throw { reason: 'odd' }
    }),
  ).rejects.toThrow("Expected an Error to be thrown, got { reason: 'odd' }.")
})

test('changes of the child to its memory do not affect the parent', async () => {
  const list = [1]
  expect(await inChild(() => list.push(2))).toBe(2)
  expect(list).toEqual([1])
})
