import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createPool, type MysqlPool } from '../src/index.ts'
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
