import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ChildWorkError, fork, inChild } from '../src/index.ts'
import { failure, livePid } from './helpers.ts'

test('the result of synchronous work comes back from a process of its own', async () => {
  const child = await fork(livePid)
  expect(await child.result).toBe(child.pid)
  expect(child.pid).not.toBe(process.pid)
})

test('the result of asynchronous work comes back', async () => {
  expect(await inChild(() => sleep(5, 'later'))).toBe('later')
})

test('a result may hold maps, dates, buffers and be nothing at all', async () => {
  const result = { map: new Map([['a', new Date(0)]]), bytes: Buffer.from('xyz'), none: undefined }
  expect(await inChild(() => result)).toEqual(result)
  expect(await inChild(() => undefined)).toBeUndefined()
})

test('a result larger than a pipe comes back whole', async () => {
  const bytes = await inChild(() => Buffer.alloc(20_000_000, 7))
  expect(bytes.equals(Buffer.alloc(20_000_000, 7))).toBe(true)
})

test('a result that cannot be copied is an error that says so', async () => {
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

test('the stack of a child error says that it is from a child, and where it was thrown', async () => {
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

test('what is thrown and is no error is told in words', async () => {
  await expect(
    inChild(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- the point
      throw { reason: 'odd' }
    }),
  ).rejects.toThrow("thrown, and no Error: { reason: 'odd' }")
})

test('nothing the child does to memory is seen by the parent', async () => {
  const list = [1]
  expect(await inChild(() => list.push(2))).toBe(2)
  expect(list).toEqual([1])
})
