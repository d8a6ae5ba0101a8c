import { CreateError } from '@forksafe/core'
import { describe, expect, test } from 'vitest'
import { mysqlDriver, mysqlDriverWith } from '../src/index.ts'
import { connectionTo, openPool } from './support/pools.ts'

const { signal } = new AbortController()

describe.each(['query', 'execute', 'stream'] as const)('`pool.%s` refuses at once', (method) => {
  test.each<[string, unknown[], string]>([
    ['no statement', [], 'expected SQL, or an object with `sql`, got undefined'],
    ['null', [null], 'expected SQL, or an object with `sql`, got null'],
    ['a number', [5], 'got a number'],
    ['a statement without text', [{ sql: 5 }], 'got `sql`: a number'],
    ['a callback', ['SELECT 1', () => undefined], 'expected no callback, got a function'],
    ['a callback behind values', ['SELECT 1', [], () => undefined], 'expected no callback'],
    ['options in place of values', ['SELECT 1', { signal }], 'expected values, got options'],
    ['no object of options', ['SELECT 1', [], null], 'a plain object of options, got null'],
    [
      'a signal in place of options',
      ['SELECT 1', [], signal],
      'of options, got an instance of AbortSignal',
    ],
    ['a signal that is none', ['SELECT 1', [], { signal: {} }], 'an AbortSignal, got an object'],
    ['an unknown option', ['SELECT 1', [], { retries: 1 }], 'there is no option `retries`'],
  ])('%s', async (_, given, message) => {
    const pool = openPool(connectionTo(), { name: 'shop' })
    const ask = pool[method] as (...given: unknown[]) => unknown
    const refused = (async () => ask(...given))()
    await expect(refused).rejects.toThrow(TypeError)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toThrow(`Pool "shop", \`${method}\`: `)
    expect(pool.stats.size).toBe(0)
  })
})

test.each([-1, 1.5, 'x'])('`stream` refuses a `highWaterMark` of %j', (highWaterMark) => {
  const pool = openPool()
  expect(() => pool.stream('SELECT 1', [], { highWaterMark } as object)).toThrow(
    'expected `highWaterMark` to be a whole number of at least 0',
  )
})

test.each([0, 1, 100])('`stream` takes a `highWaterMark` of %i', async (highWaterMark) => {
  let rows = 0
  const sql = 'SELECT seq FROM seq_1_to_200'
  for await (const _ of openPool().stream(sql, [], { highWaterMark })) rows++
  expect(rows).toBe(200)
})

test.each<[unknown, string]>([
  [undefined, 'expected a plain object of options, got undefined'],
  [5, 'expected a plain object of options, got a number'],
  [{ reset: 'allways' }, "expected `reset` to be 'left' or 'always', got a string"],
  [{ nope: 1 }, 'there is no option `nope` (got a number for it). There are reset, setup.'],
])('`mysqlDriverWith(%j)` is refused', (options, message) => {
  const make = (): unknown => mysqlDriverWith(options as object)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(`\`mysqlDriverWith\`: ${message}`)
})

test('`mysqlDriverWith` without options is the driver itself', () => {
  expect(mysqlDriverWith({})).toBe(mysqlDriver)
  expect(mysqlDriverWith({ reset: undefined })).toBe(mysqlDriver)
})

test.each([[undefined], [null], [5], [[]]])(
  'a `connection` that is %j rejects those who wait at once',
  async (connection) => {
    const pool = openPool((() => connection) as never, { acquireTimeoutMillis: 20_000 })
    const error = await pool.query('SELECT 1').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(CreateError)
    const { cause } = error as Error
    expect(cause).toBeInstanceOf(TypeError)
    expect(cause).toMatchObject({
      message: expect.stringContaining('Expected `connection` to be a connection URI') as string,
    })
  },
)
