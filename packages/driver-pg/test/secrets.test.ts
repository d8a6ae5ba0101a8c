import { createForkSafePool } from '@forksafe/core'
import { inspect } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { pgDriver, pgDriverWith, Pool } from '../src/index.ts'
import { connectionTo } from './support/pools.ts'

const SECRET = 'hunter2-3c1f'
const url = `postgres://app:${SECRET}@127.0.0.1:1/app`
const configuration = { host: '127.0.0.1', port: 1, user: 'app', password: SECRET }
const values: readonly unknown[] = [
  url,
  new URL(url),
  configuration,
  { connectionString: url },
  { [url]: url },
  [url],
  Symbol(url),
  { text: { toString: () => url } },
  { text: 'SELECT 1', callback: url },
]

function expectNoSecret(error: unknown): void {
  expect(error).toBeInstanceOf(Error)
  const { message, stack } = error as Error
  for (const text of [message, stack, inspect(error, { depth: 20 }), JSON.stringify(error)]) {
    expect(text).not.toContain(SECRET)
  }
}

/** Returns what `run` throws or rejects with. */
async function failureOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  return expect.fail('accepted')
}

test.each(values)('no error shows a secret that is passed by mistake: %#', async (value) => {
  const create = createForkSafePool as (driver: unknown, options?: unknown) => unknown
  expectNoSecret(await failureOf(() => create(pgDriver, value)))
  expectNoSecret(await failureOf(() => create(value, { connection: url })))
  expectNoSecret(await failureOf(() => create(pgDriver, { connection: url, max: value })))
  expectNoSecret(await failureOf(() => pgDriverWith(value as object)))
  expectNoSecret(await failureOf(() => pgDriverWith({ resetQuery: { value } as never })))

  const pool = createForkSafePool(pgDriver, { connection: connectionTo() })
  onTestFinished(() => pool.close())
  const call = pool as unknown as Record<'query' | 'transaction', (...given: unknown[]) => unknown>
  if (typeof value !== 'string') expectNoSecret(await failureOf(() => call.query(value)))
  for (const given of [[value], { signal: value }]) {
    expectNoSecret(await failureOf(() => call.query('SELECT 1', {}, given)))
    expectNoSecret(await failureOf(() => call.query('SELECT 1', [], given)))
    expectNoSecret(await failureOf(() => call.transaction(given)))
    expectNoSecret(await failureOf(() => call.transaction(() => 1, given)))
  }
  for (const option of ['isolation', 'readOnly', 'deferrable', 'retries', 'signal']) {
    expectNoSecret(await failureOf(() => call.transaction(() => 1, { [option]: value })))
  }
})

test.each([url, new URL(url), configuration, { connectionString: url }])(
  'no error about a server that cannot be reached shows a secret: %#',
  async (connection) => {
    const seen: unknown[] = []
    const pool = createForkSafePool(pgDriver, { connection })
    pool.on('createError', (details) => seen.push(details))
    expectNoSecret(await failureOf(() => pool.warmUp()))
    expectNoSecret(await failureOf(() => pool.acquire({ timeoutMillis: 50 })))
    expect(seen.length).toBeGreaterThan(0)
    for (const shown of [...seen, pool, pool.stats]) {
      expect(inspect(shown, { depth: 20 })).not.toContain(SECRET)
    }
    await pool.close()
  },
)

test('the drop-in shows no secret either', async () => {
  const create = (options: unknown): unknown => new Pool(options as object)
  for (const value of [url, [url], Symbol(url), () => url]) {
    expectNoSecret(await failureOf(() => create(value)))
  }
  for (const option of ['max', 'maxUses', 'idleTimeoutMillis', 'connectionTimeoutMillis']) {
    for (const value of [url, new URL(url), Symbol(url)]) {
      try {
        create({ [option]: value })
      } catch (error) {
        expectNoSecret(error)
      }
    }
  }
})
