import { expect, test } from 'vitest'
import { connectionTo, openPool, sessionId, table } from './support/pools.ts'

// After a failover, the server that a connection leads to may be a replica: a new one leads to the primary.
test.each([
  [1290, "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290"],
  [1836, "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1836"],
])('a connection to a server that has become read-only (%i) is replaced', async (errno, write) => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await expect(pool.query(write)).rejects.toMatchObject({ errno })
  expect(await sessionId(pool)).not.toBe(id)
})

test('a connection on which a transaction could not write (1792) is replaced, unless that was asked for', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const name = await table('read_only')
  const insert = (options: object): Promise<unknown> =>
    pool.transaction((client) => client.query(`INSERT INTO ${name} VALUES (1)`), options)
  const id = await sessionId(pool)
  const refused = { errno: 1792 }
  await expect(insert({ readOnly: true })).rejects.toMatchObject(refused)
  await expect(insert({ readOnly: true, isolation: 'serializable' })).rejects.toMatchObject(refused)
  expect(await sessionId(pool)).toBe(id)
  const quietly = pool.use(async (client) => {
    await client.query('SET tx_read_only = 1')
    await client.query(`INSERT INTO ${name} VALUES (1)`)
  })
  await expect(quietly).rejects.toMatchObject(refused)
  expect(await sessionId(pool)).not.toBe(id)
})
