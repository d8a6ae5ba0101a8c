import { createForkSafePool } from '@forksafe/core'
import { inspect } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { redisClusterDriver, redisDriver } from '../src/index.ts'
import { connectionTo } from './support/pools.ts'

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
