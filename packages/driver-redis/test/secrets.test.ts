import { createForkSafePool } from '@forksafe/core'
import { inspect } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { redisClusterDriver, redisDriver } from '../src/index.ts'
import { connectionTo, openPool } from './support/pools.ts'

const SECRET = 'hunter2'
const url = `redis://user:${SECRET}@127.0.0.1:1/0`
const malformed = `redis://user:${SECRET}@[127.0.0.1/0`

/** Every text in which an error may show something. */
function textsOf(error: unknown): string {
  const { message, stack } = error as Error
  const options = { depth: 9, showHidden: true, getters: true }
  return [message, stack, String(error), JSON.stringify(error), inspect(error, options)].join('\n')
}

const own = connectionTo() as object

test.each<[string, unknown]>([
  ['a URL', url],
  ['a malformed URL', malformed],
  ['an array', [url]],
  ['a host', { host: url }],
  ['a path', { path: url }],
  ['a user and a password', { ...own, username: 'nobody', password: SECRET }],
  ['a list of sentinels', { sentinels: url, name: 'mymaster' }],
])('no error of redisDriver shows a secret in %s', async (_, connection) => {
  const options = { connection: connection as never, acquireTimeoutMillis: 300 }
  const pool = createForkSafePool(redisDriver, options)
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  const shown: unknown[] = []
  pool.on('createError', (failure) => shown.push(failure.error, failure))
  shown.push(await pool.acquire().catch((error: unknown) => error))
  for (const error of shown) expect(textsOf(error)).not.toContain(SECRET)
  expect(shown.at(-1)).toBeInstanceOf(Error)
})

test.each<[string, unknown]>([
  ['an address', { nodes: [url] }],
  ['a malformed address', { nodes: [malformed] }],
  ['the addresses', { nodes: url }],
  ['the connection', url],
])('no error of redisClusterDriver shows a secret in %s', async (_, connection) => {
  const options = { connection: connection as never, acquireTimeoutMillis: 300 }
  const pool = createForkSafePool(redisClusterDriver, options)
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  const error = await pool.acquire().catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Error)
  expect(textsOf(error)).not.toContain(SECRET)
})

async function thrownBy(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('Expected an error.')
}

/** Values with the secret that a program may pass in the wrong place. */
const values: readonly unknown[] = [
  url,
  new URL(url),
  { host: '127.0.0.1', port: 1, username: 'app', password: SECRET },
  { [url]: url },
  [url],
  Symbol(url),
]

test.each(values)('no error shows a secret that is passed by mistake: %#', async (value) => {
  const create = createForkSafePool as (driver: unknown, options?: unknown) => unknown
  const pool = openPool(connectionTo()) as unknown as Record<
    string,
    (...given: unknown[]) => unknown
  >
  const calls: (() => unknown)[] = [
    () => create(value, { connection: url }),
    ...[redisDriver, redisClusterDriver].flatMap((driver) => [
      () => create(driver, value),
      () => create(driver, { connection: connectionTo(), max: value }),
      () => create(driver, { connection: { max: value } }),
      () => create(driver, { connection: { connectionLimit: value } }),
    ]),
    ...['acquire', 'use', 'warmUp', 'resize', 'trim', 'close'].map(
      (method) => () => pool[method]?.(value),
    ),
    () => pool['use']?.(() => 1, value),
  ]
  for (const call of calls) {
    const error = await thrownBy(call)
    expect(error).toBeInstanceOf(TypeError)
    expect(textsOf(error)).not.toContain(SECRET)
  }
})

test('a client that rejects with its configuration does not show it', async () => {
  const connection = () => {
    // oxlint-disable-next-line typescript/only-throw-error -- a program may
    throw { host: '127.0.0.1', username: 'app', password: SECRET }
  }
  const pool = createForkSafePool(redisDriver, { connection, acquireTimeoutMillis: 300 })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  const failures: unknown[] = []
  pool.on('createError', (failure) => failures.push(failure))
  for (const work of [() => pool.get('key'), () => pool.warmUp()])
    failures.push(await thrownBy(work))
  expect(failures.length).toBeGreaterThan(2)
  for (const failure of failures) expect(inspect(failure, { depth: 9 })).not.toContain(SECRET)
})
