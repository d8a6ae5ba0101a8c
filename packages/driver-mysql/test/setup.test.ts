import { describe, expect, test } from 'vitest'
import { type MysqlClient, mysqlDriver, mysqlDriverWith, type MysqlPool } from '../src/index.ts'
import { connectionTo, openPool, rowOf, sessionId } from './support/pools.ts'

const LOOK = 'SELECT @@time_zone AS zone, @@lock_wait_timeout AS seconds, @mine AS mine'
const setup = "SET time_zone = '+03:00', lock_wait_timeout = 7, @mine = 1"
const expected = { zone: '+03:00', seconds: 7, mine: 1 }

const setups: [string, string | ((client: MysqlClient) => unknown)][] = [
  ['a statement', setup],
  [
    'a function',
    async (client) => {
      await client.query("SET time_zone = '+03:00'")
      await client.query('SET lock_wait_timeout = 7')
      await client.query('SET @mine = 1')
    },
  ],
  [
    'a function that does not wait',
    (client) => void client.connection.query(setup, () => undefined),
  ],
]

describe.each(setups)('a setup by %s', (_, setup) => {
  const open = (): MysqlPool => openPool(connectionTo(), { max: 1 }, mysqlDriverWith({ setup }))

  test('applies to each connection', async () => {
    const pool = openPool(connectionTo(), { max: 3 }, mysqlDriverWith({ setup }))
    const found = await Promise.all([1, 2, 3].map(() => pool.use((client) => rowOf(client, LOOK))))
    expect(found).toEqual([expected, expected, expected])
  })

  test.each([
    ['a reset', (client: MysqlClient) => client.query('SET time_zone = SYSTEM, @mine = NULL')],
    ['a rollback', (client: MysqlClient) => client.query('START TRANSACTION')],
    ['another database', (client: MysqlClient) => client.query('USE information_schema')],
  ])('survives %s', async (_, leave) => {
    const pool = open()
    const before = await pool.use(async (client) => ({
      id: await sessionId(client),
      ...(await rowOf(client, `${LOOK}, DATABASE() AS name`)),
    }))
    for (const _ of [1, 2]) {
      await pool.use(leave)
      const after = await pool.use(async (client) => ({
        id: await sessionId(client),
        ...(await rowOf(client, `${LOOK}, DATABASE() AS name`)),
      }))
      expect(after).toEqual(before)
    }
  })

  test('survives a reset at every release', async () => {
    const driver = mysqlDriverWith({ setup, reset: 'always' })
    const pool = openPool(connectionTo(), { max: 1 }, driver)
    for (const _ of [1, 2, 3]) expect(await rowOf(pool, LOOK)).toEqual(expected)
  })
})

test('`autocommit` off by a setup stays off', async () => {
  const driver = mysqlDriverWith({ setup: 'SET autocommit = 0' })
  const pool = openPool(connectionTo(), { max: 1 }, driver)
  const look = 'SELECT @@autocommit AS auto, @@in_transaction AS inside, CONNECTION_ID() AS id'
  const before = await rowOf(pool, look)
  expect(before).toMatchObject({ auto: 0, inside: 0 })
  await pool.query('SET @mine = 1')
  expect(await rowOf(pool, look)).toEqual(before)
})

test.each<[string, string | ((client: MysqlClient) => unknown), RegExp]>([
  ['a syntax error', 'SELEKT', /syntax/],
  ['an unknown variable', 'SET never_there = 1', /never_there/],
  [
    'an open transaction',
    (client) => client.query('START TRANSACTION'),
    /not to leave the session with an open transaction/,
  ],
  ['another user', (client) => client.changeUser({}), /with another user/],
  [
    'an open stream',
    (client) => void client.connection.query('SELECT seq FROM seq_1_to_100000').stream(),
    /with an open stream/,
  ],
])('a setup that leaves or makes %s rejects callers at once', async (_, setup, message) => {
  const pool = openPool(connectionTo(), { max: 1 }, mysqlDriverWith({ setup }))
  await expect(pool.acquire()).rejects.toMatchObject({
    code: 'FORKSAFE_CREATE_FAILED',
    cause: expect.objectContaining({ message: expect.stringMatching(message) as string }) as Error,
  })
  expect(pool.stats.size).toBe(0)
})

test('a connection whose setup fails after a reset is replaced', async () => {
  let broken = false
  const setup = async (client: MysqlClient): Promise<void> => {
    await client.query(broken ? 'SELEKT' : 'DO 0')
  }
  const pool = openPool(connectionTo(), { max: 1 }, mysqlDriverWith({ setup }))
  const before = await sessionId(pool)
  broken = true
  await pool.query('SET @mine = 1')
  await expect.poll(() => pool.stats.size).toBe(0)
  broken = false
  expect(await sessionId(pool)).not.toBe(before)
})

test.each([1, '', ' ', {}])('`setup` of %j is refused', (setup) => {
  expect(() => mysqlDriverWith({ setup: setup as never })).toThrow(/`setup` to be a statement/)
})

test('without options, the driver is as it is', () => {
  expect(mysqlDriverWith({})).toEqual(mysqlDriver)
})
