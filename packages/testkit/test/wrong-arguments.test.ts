import { afterAll, beforeAll, expect, test } from 'vitest'
import { fork, type RecordingProxy, startRecordingProxy } from '../src/index.ts'

let proxy: RecordingProxy
beforeAll(async () => {
  proxy = await startRecordingProxy({ port: 1 })
})
afterAll(() => proxy.stop())

test.each([
  [
    { timeoutMillis: Infinity },
    '`timeoutMillis` to be a number from 1 to 2147483647, got Infinity',
  ],
  [{ timeoutMillis: 0 }, '`timeoutMillis` to be a number from 1 to 2147483647, got 0 (number).'],
  [
    { timeoutMillis: '5' },
    '`timeoutMillis` to be a number from 1 to 2147483647, got "5" (string).',
  ],
  [{ afterFork: 'no' }, 'expected `afterFork` to be true or false, got "no" (string).'],
  [{ outlivesParent: 1 }, 'expected `outlivesParent` to be true or false, got 1 (number).'],
  [
    { timeout: 5 },
    'there is no option `timeout`. There are timeoutMillis, afterFork, outlivesParent.',
  ],
  [5, 'expected the options to be an object, got 5 (number).'],
])('a fork with the options %o is refused', async (options, message) => {
  const forked = fork(() => expect.unreachable(), options as never)
  await expect(forked).rejects.toThrow(message)
  await expect(forked).rejects.toThrow(/^fork: /)
})

test('a time out of range is a RangeError, and one that is not a number a TypeError', async () => {
  await expect(fork(() => 1, { timeoutMillis: Infinity })).rejects.toBeInstanceOf(RangeError)
  await expect(fork(() => 1, { timeoutMillis: NaN })).rejects.toBeInstanceOf(RangeError)
  await expect(fork(() => 1, { timeoutMillis: '1' as never })).rejects.toBeInstanceOf(TypeError)
  await expect(proxy.delay(-1)).rejects.toBeInstanceOf(RangeError)
})

test('a fork without work is refused, and nothing is forked', async () => {
  await expect(fork(undefined as never)).rejects.toThrow(
    'fork: expected `work` to be a function, got undefined.',
  )
})

test.each([
  [{}, '{  }'],
  [{ port: 'x' }, '{ port: "x" (string) }'],
  [{ port: 99_999 }, '{ port: 99999 (number) }'],
  [{ port: 5432, host: 5 }, '{ port: 5432 (number), host: 5 (number) }'],
  [5, '5 (number)'],
  [undefined, 'undefined'],
  [{ path: '' }, '{ path: "" (string) }'],
])('a proxy in front of %o is refused', async (target, got) => {
  await expect(startRecordingProxy(target as never)).rejects.toThrow(
    `startRecordingProxy: expected \`target\` to be { port } with an integer from 1 to 65535, or { path }, got ${got}.`,
  )
})

test.each([
  [{ path: 5 }, 'startRecordingProxy: expected `path` to be a non-empty string, got 5'],
  [{ port: 5 }, 'startRecordingProxy: there is no option `port`. There are path.'],
])('a proxy with the options %o is refused', async (options, message) => {
  await expect(startRecordingProxy({ port: 1 }, options as never)).rejects.toThrow(message)
})

test.each([
  ['hold', { direction: 'up' }, '`direction` to be fromClient or fromServer, got "up" (string).'],
  ['resume', { direction: 'up' }, '`direction` to be fromClient or fromServer, got "up" (string).'],
  ['pass', { connection: '1' }, '`connection` to be the id of a connection, from 1, got "1"'],
  ['cut', { how: 'nicely' }, '`how` to be reset or end, got "nicely" (string).'],
  ['cut', { connection: 0 }, '`connection` to be the id of a connection, from 1, got 0 (number).'],
  ['cut', { direction: 'fromClient' }, 'no option `direction`. There are connection, how.'],
  ['records', { since: 'x' }, '`since` to be a result of `mark`, got "x" (string).'],
  ['records', { openedBefore: -1 }, '`openedBefore` to be a result of `mark`, got -1 (number).'],
] as const)('%s of a proxy with %o is refused', async (verb, options, message) => {
  const asked = proxy[verb](options as never)
  await expect(asked).rejects.toThrow(message)
  await expect(asked).rejects.toThrow(`RecordingProxy.${verb}: `)
})

test.each([-1, NaN, Infinity, 2 ** 31, '5'])('a delay of %o is refused', async (millis) => {
  await expect(proxy.delay(millis as never)).rejects.toThrow(
    'RecordingProxy.delay: expected `millis` to be a number from 0 to 2147483647, got ',
  )
})
