import type { Client, QueryConfig, QueryResult } from 'pg'
import { describe, expect, test } from 'vitest'
import { Pool } from '../src/index.ts'
import { openPool as openDropIn } from './support/drop-in.ts'
import { backendPid, connectionTo, openPool } from './support/pools.ts'

// pg believes that a named statement is prepared although it has closed it, if the values for it could not be serialised.

const circular: Record<string, unknown> = {}
circular['itself'] = circular

const unserialisable: [string, unknown][] = [
  ['a BigInt in JSON', { a: 1n }],
  ['a BigInt in JSON in an array', [{ a: 1n }]],
  ['circular JSON', circular],
  ['a `toJSON` that throws', { toJSON: fails }],
  ['a `toPostgres` that throws', { toPostgres: fails }],
  ['a `toPostgres` that gives itself', givesItself()],
  ['a `toString` that throws', Object.assign(() => undefined, { toString: fails })],
  ['a `toString` that gives no string', Object.assign(() => undefined, { toString: () => 5 })],
  ['an array with what becomes `null`', [{ toPostgres: () => null }]],
]

function fails(): never {
  throw new Error('mine')
}

function givesItself(): object {
  const value = { toPostgres: (): unknown => value }
  return value
}

/** What pg and Node say of these values. */
const SERIALISING = /serialize|circular|mine|stack|string|null/

const named = (value: unknown): QueryConfig => ({
  name: 'named',
  text: 'SELECT $1::text AS n',
  values: [value],
})
/** Each time another: pg before 8.22 writes into it. */
const good = (): QueryConfig => named('good')

interface Asks {
  query(config: QueryConfig): Promise<QueryResult>
}

const pools: [string, () => Asks][] = [
  ['the pool', () => openPool(connectionTo(), { max: 1 })],
  ['the drop-in', () => openDropIn(Pool, { max: 1 })],
]

async function expectGood(asks: Asks): Promise<void> {
  for (let n = 0; n < 3; n++) expect((await asks.query(good())).rows).toEqual([{ n: 'good' }])
}

describe.each(unserialisable)('%s as a value of a named statement', (_, value) => {
  const bad = (): QueryConfig => named(value)

  test.each(pools)('fails no later caller of %s', async (_, open) => {
    const pool = open()
    await expect(pool.query(bad())).rejects.toThrow(SERIALISING)
    await expectGood(pool)
    // It was prepared before, too.
    await expect(pool.query(bad())).rejects.toThrow(SERIALISING)
    await expect(pool.query(bad())).rejects.toThrow(SERIALISING)
    await expectGood(pool)
  })

  test('fails no later query of the same holder, and the session goes on', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const pid = await backendPid(pool)
    await pool.use(async (client) => {
      await expect(client.query(bad())).rejects.toThrow(SERIALISING)
      await expectGood(client)
      const answers = await Promise.allSettled(
        [bad, good, bad, good].map((each) => client.query(each())),
      )
      expect(answers.map(({ status }) => status)).toEqual([
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
      ])
      await expectGood(client)
    })
    expect(await backendPid(pool)).toBe(pid)
  })

  test('fails no later statement of a transaction, which commits the rest', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const rows = await pool.transaction(async (client) => {
      await client.query('CREATE TEMP TABLE named_values ON COMMIT DROP AS SELECT 1 AS n')
      await expect(client.query(bad())).rejects.toThrow(SERIALISING)
      await expectGood(client)
      return (await client.query('SELECT n FROM named_values')).rows as unknown
    })
    expect(rows).toEqual([{ n: 1 }])
    await expectGood(pool)
  })

  test('fails no later caller in a transaction that has failed', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.use(async (client) => {
      await client.query('BEGIN; SELECT 1 / 0').catch(() => undefined)
      await expect(client.query(bad())).rejects.toThrow(SERIALISING)
      await client.query('ROLLBACK')
      await expectGood(client)
      await client.query('BEGIN; SELECT 1 / 0').catch(() => undefined)
      await expect(client.query(bad())).rejects.toThrow(SERIALISING)
    })
    await expectGood(pool)
  })

  test('fails no later caller if the connection is pipelined', async () => {
    const pool = openPool({ ...connectionTo(), pipeline: true }, { max: 1 })
    await expect(pool.query(bad())).rejects.toThrow(SERIALISING)
    await expectGood(pool)
    await pool.use((client) =>
      Promise.allSettled([bad, good, bad, good].map((each) => client.query(each()))),
    )
    await expectGood(pool)
  })
})

test('a named statement that the server refuses works once it is right', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  const wrong = { name: 'named', text: 'SELECT nothing, $1::text', values: [{ a: 1n }] }
  await expect(pool.query({ ...wrong, values: ['a'] })).rejects.toMatchObject({ code: '42703' })
  await expect(pool.query(wrong)).rejects.toThrow('BigInt')
  await expectGood(pool)
  expect(await backendPid(pool)).toBe(pid)
})

test('a value that the server refuses leaves the statement prepared', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  const number = (value: string): QueryConfig => ({
    name: 'number',
    text: 'SELECT $1::int AS n',
    values: [value],
  })
  await expect(pool.query(number('none'))).rejects.toMatchObject({ code: '22P02' })
  expect((await pool.query(number('1'))).rows).toEqual([{ n: 1 }])
  expect(await backendPid(pool)).toBe(pid)
})

test.each([{ name: 'named' }, { name: 'named', text: '' }])(
  'a name without a text, as in %o, takes the name from no later caller',
  async (config) => {
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.query(config as QueryConfig)
    await expectGood(pool)
    // Now it is prepared.
    const again = { name: 'named', values: ['again'] } as unknown as QueryConfig
    expect((await pool.query(again)).rows).toEqual([{ n: 'again' }])
  },
)

test('the list of named statements names those that the server has', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const listed = (client: Client): string[] =>
    Object.keys((client.connection as unknown as { parsedStatements: object }).parsedStatements)
  await pool.use(async (client) => {
    await client.query(named({ a: 1n })).catch(() => undefined)
    await client.query('SELECT 1')
    expect(listed(client)).toEqual([])
    await client.query(good())
    expect(listed(client)).toEqual(['named'])
    const { rows } = await client.query('SELECT name FROM pg_prepared_statements')
    expect(rows).toEqual([{ name: 'named' }])
  })
})
