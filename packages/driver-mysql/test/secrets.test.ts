import { createForkSafePool } from '@forksafe/core'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createPool, mysqlDriver, mysqlDriverWith, type MysqlPool } from '../src/index.ts'
import { errorOf, openDropIn } from './support/drop-in.ts'
import { connectionTo, openPool } from './support/pools.ts'

const SECRET = 'hunter2'
const url = `mysql://root:${SECRET}@127.0.0.1:1/test`
const malformed = `mysql//root:${SECRET}@127.0.0.1/test`

/** Every text in which an error may show something. */
function textsOf(error: unknown): string {
  const { message, stack } = error as Error
  const options = { depth: 9, showHidden: true, getters: true }
  return [message, stack, String(error), JSON.stringify(error), inspect(error, options)].join('\n')
}

async function thrownBy(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('Expected an error.')
}

/** Each is a connection that fails, or an option with a wrong value. */
const connections: [string, unknown][] = [
  ['a URI', url],
  ['a malformed URI', malformed],
  ['a number', 4_711],
  ['an array', [url]],
  ['a host', { ...connectionTo(), host: url }],
  ['a socket path', { socketPath: url }],
  ['a user', { ...connectionTo(), user: url }],
  ['a database', { ...connectionTo(), database: url }],
  ['a password', { ...connectionTo(), password: SECRET, user: 'nobody' }],
  ['a character set', { ...connectionTo(), charset: url }],
  ['a TLS profile', { ...connectionTo(), ssl: url }],
  ['a malformed URI among options', { uri: malformed }],
  ['a stream', { ...connectionTo(), stream: url }],
]

describe.each(connections)('no error shows a secret in %s', (_, connection) => {
  test('of the pool', async () => {
    const failures: unknown[] = []
    const pool = openPool(connection as never, { max: 1, acquireTimeoutMillis: 300 })
    pool.on('createError', (failure) => failures.push(failure.error, failure))
    const error = await errorOf(pool.acquire())
    for (const shown of [error, ...failures]) expect(textsOf(shown)).not.toContain(SECRET)
    expect(textsOf(error)).not.toContain('4711')
  })

  test('of the drop-in', async () => {
    if (typeof connection === 'number')
      return expect(() => createPool(4 as never)).not.toThrow(SECRET)
    const error = await thrownBy(() => {
      const pool = createPool(connection as never)
      onTestFinished(() => pool.end())
      return pool.query('SELECT 1')
    })
    expect(textsOf(error)).not.toContain(SECRET)
  })
})

test.each<[string, (pool: MysqlPool) => unknown]>([
  ['query', (pool) => pool.query({ sql: [url] } as never)],
  ['execute', (pool) => pool.execute([url] as never)],
  ['stream', (pool) => pool.stream({ sql: { url } } as never)],
])('no error of %s shows its argument', async (_, work) => {
  const pool = openPool()
  expect(textsOf(await thrownBy(() => work(pool)))).not.toContain(SECRET)
})

test.each(['connectionLimit', 'queueLimit', 'maxIdle', 'idleTimeout'])(
  'no error shows a secret in the drop-in’s `%s`',
  async (option) => {
    const told = vi.spyOn(console, 'error').mockReturnValue(undefined)
    onTestFinished(() => told.mockRestore())
    const pool = openDropIn(createPool, { [option]: url })
    await pool.query('SELECT 1')
    expect(JSON.stringify(told.mock.calls)).not.toContain(SECRET)
  },
)

/** Values with the secret that a program may pass in the wrong place. */
const values: readonly unknown[] = [
  url,
  new URL(url),
  { host: '127.0.0.1', port: 1, user: 'app', password: SECRET },
  { uri: url },
  { [url]: url },
  [url],
  Symbol(url),
  { sql: { toString: () => url } },
]

test.each(values)('no error shows a secret that is passed by mistake: %#', async (value) => {
  const create = createForkSafePool as (driver: unknown, options?: unknown) => unknown
  const pool = openPool() as unknown as Record<string, (...given: unknown[]) => unknown>
  const calls: (() => unknown)[] = [
    () => create(mysqlDriver, value),
    () => create(value, { connection: url }),
    () => create(mysqlDriver, { connection: url, max: value }),
    () => create(mysqlDriver, { connection: { max: value } }),
    () => mysqlDriverWith(value as object),
    () => mysqlDriverWith({ reset: value } as never),
    () => mysqlDriverWith({ setup: { value } } as never),
    ...['query', 'execute', 'stream'].flatMap((method) => [
      // A statement that is wrong is shown by the server.
      () => pool[method]?.(typeof value === 'string' ? [value] : value),
      () => pool[method]?.('SELECT 1', [], [value]),
      () => pool[method]?.('SELECT 1', [], { signal: value }),
      () => pool[method]?.('SELECT 1', [], { highWaterMark: value }),
      () => pool[method]?.('SELECT 1', { signal: new AbortController().signal, value }),
      () => pool[method]?.('SELECT 1', () => value),
    ]),
    () => pool['transaction']?.([value]),
    () => pool['transaction']?.(() => 1, [value]),
    ...['isolation', 'readOnly', 'consistentSnapshot', 'retries', 'signal'].map(
      (option) => () => pool['transaction']?.(() => 1, { [option]: value }),
    ),
    ...['acquire', 'use', 'warmUp', 'resize', 'trim', 'close'].map(
      (method) => () => pool[method]?.(value),
    ),
  ]
  for (const call of calls) {
    const error = await thrownBy(call)
    expect(error).toBeInstanceOf(TypeError)
    expect(textsOf(error)).not.toContain(SECRET)
  }
})

test('a client that rejects with its configuration does not show it', async () => {
  const configuration = { host: '127.0.0.1', user: 'app', password: SECRET }
  const stream = (): never => {
    // oxlint-disable-next-line typescript/only-throw-error -- a client may
    throw configuration
  }
  const setup = (): Promise<never> =>
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a program may
    Promise.reject(configuration)
  for (const [driver, connection] of [
    [mysqlDriver, { ...connectionTo(), stream }],
    [mysqlDriverWith({ setup }), connectionTo()],
  ] as const) {
    const pool = createForkSafePool(driver, { connection, acquireTimeoutMillis: 300 })
    onTestFinished(() => pool.close({ deadlineMillis: 0 }))
    const failures: unknown[] = []
    pool.on('createError', (failure) => failures.push(failure))
    failures.push(await errorOf(pool.query('SELECT 1')), await errorOf(pool.warmUp()))
    expect(failures.length).toBeGreaterThan(2)
    for (const failure of failures) expect(inspect(failure, { depth: 9 })).not.toContain(SECRET)
  }
})
