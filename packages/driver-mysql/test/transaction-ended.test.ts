import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import { blockUntilEnded } from '@forksafe/scripts/forked'
import { fork } from '@forksafe/testkit'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type MysqlClient,
  type MysqlPool,
  RolledBackError,
  TransactionEndedError,
} from '../src/index.ts'
import { connectionTo, observe, openPool, openRecordedPool, table } from './support/pools.ts'

const rowsOf = (table: string): Promise<object[]> => observe(`SELECT n FROM ${table} ORDER BY n`)

/** Work whose row somebody else has changed since it first looked: the server rolls back all of its transaction. */
async function overtaken(pool: MysqlPool, name: string) {
  const seen = await table(name, 'n int PRIMARY KEY, v int')
  await observe(`INSERT INTO ${seen} VALUES (1, 0)`)
  let attempts = 0
  return {
    attempts: () => attempts,
    update: async (client: MysqlClient) => {
      attempts++
      await client.query('SET innodb_snapshot_isolation = ON')
      await client.query(`SELECT * FROM ${seen}`)
      if (attempts === 1) await pool.query(`UPDATE ${seen} SET v = 1`)
      await client.query(`UPDATE ${seen} SET v = v + 1`)
    },
  }
}

describe('where the server has rolled back all of a transaction, and its work goes on,', () => {
  test('nothing more is sent, and the transaction rejects', async () => {
    const pool = openPool()
    const lost = await table('lost_with_it')
    const { update } = await overtaken(pool, 'overtaken')
    let refused: unknown
    const transaction = pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${lost} VALUES (1)`)
      await update(client).catch(() => undefined)
      refused = await client.query(`INSERT INTO ${lost} VALUES (2)`).catch((error) => error)
    })
    const error = await transaction.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(RolledBackError)
    expect(error).toMatchObject({
      name: 'RolledBackError',
      code: 'FORKSAFE_MYSQL_ROLLED_BACK',
      pool: 'mysql',
      cause: { errno: 1020 },
      message: expect.stringContaining('the transaction was rolled back: by the server') as string,
    })
    expect(refused).toMatchObject({ name: 'RolledBackError', cause: { errno: 1020 } })
    expect(await rowsOf(lost)).toEqual([])
  })

  test.each(['execute', 'prepare', 'stream'] as const)(
    'no `%s` is sent either, and the connection is of use afterwards',
    async (verb) => {
      const pool = openPool(connectionTo(), { max: 2 })
      const { update } = await overtaken(pool, `overtaken_${verb}`)
      const ask = async (client: MysqlClient): Promise<unknown> => {
        if (verb === 'stream') return client.connection.query('SELECT 1').stream().toArray()
        return client[verb]('SELECT 1')
      }
      let refused: unknown
      const transaction = pool.transaction(async (client) => {
        await update(client).catch(() => undefined)
        refused = await ask(client).catch((error: unknown) => error)
      })
      await expect(transaction).rejects.toThrow(RolledBackError)
      expect(refused).toBeInstanceOf(RolledBackError)
      await pool.use(ask)
    },
  )

  test('a savepoint that is given up does not hide it', async () => {
    const pool = openPool()
    const lost = await table('lost_behind_a_savepoint')
    const { update } = await overtaken(pool, 'overtaken_within')
    const transaction = pool.transaction(async (client, savepoint) => {
      await savepoint(update).catch(() => undefined)
      await client.query(`INSERT INTO ${lost} VALUES (1)`)
    })
    await expect(transaction).rejects.toThrow(RolledBackError)
    expect(await rowsOf(lost)).toEqual([])
  })

  test('it is tried again, when asked', async () => {
    const pool = openPool()
    const { update, attempts } = await overtaken(pool, 'overtaken_once')
    await pool.transaction((client) => update(client).catch(() => undefined), { retries: 1 })
    expect(attempts()).toBe(2)
  })
})

test('a transaction that another one has overtaken (1020) is retried if `retries` says so', async () => {
  const pool = openPool()
  const { update, attempts } = await overtaken(pool, 'overtaken_and_thrown')
  await pool.transaction(update, { retries: 1 })
  expect(attempts()).toBe(2)
})

test('an error that only its statement was rolled back for leaves the transaction as it is', async () => {
  const pool = openPool()
  const kept = await table('kept', 'n int PRIMARY KEY')
  await pool.transaction(async (client) => {
    const insert = (n: number): Promise<unknown> =>
      client.query(`INSERT INTO ${kept} VALUES (${n})`)
    await insert(1)
    await expect(insert(1)).rejects.toMatchObject({ errno: 1062 })
    await insert(2)
    await expect(insert(2)).rejects.toMatchObject({ errno: 1062 })
  })
  expect(await rowsOf(kept)).toEqual([{ n: 1 }, { n: 2 }])
})

describe('where the server rolls back all of a transaction for a lock not had in time', () => {
  let server: MariadbServer
  beforeAll(async () => {
    const settings = { innodb_rollback_on_timeout: 'ON' }
    server = await startMariadb({ own: true, tls: false, settings })
  })
  afterAll(() => server.stop())

  test('and its work continues, it rejects, and the tables are unchanged', async () => {
    const { host, port, user, database } = server
    const pool = openPool({ host, port, user, database }, { max: 2 })
    await pool.query('CREATE TABLE late (n int PRIMARY KEY) ENGINE = InnoDB')
    await pool.transaction(async (holder) => {
      await holder.query('INSERT INTO late VALUES (1)')
      const late = pool.transaction(async (client) => {
        await client.query('SET innodb_lock_wait_timeout = 0')
        await client.query('INSERT INTO late VALUES (2)')
        const waiting = client.query('INSERT INTO late VALUES (1)')
        await expect(waiting).rejects.toMatchObject({ errno: 1205 })
        await client.query('INSERT INTO late VALUES (3)')
      })
      await expect(late).rejects.toMatchObject({ name: 'RolledBackError', cause: { errno: 1205 } })
    })
    expect((await pool.query('SELECT n FROM late'))[0]).toEqual([{ n: 1 }])
  })
})

describe('a transaction that its work ends itself', () => {
  test.each([
    ['rollback', 'ROLLBACK'],
    ['commit', 'COMMIT'],
    ['ddl', 'DROP TABLE IF EXISTS never_there'],
    ['procedure', 'CALL ends_it()'],
  ])('by a %s rejects, and what comes after is not done', async (by, statement) => {
    const pool = openPool()
    const after = await table(`after_its_${by}`)
    await observe('CREATE OR REPLACE PROCEDURE ends_it() BEGIN COMMIT; SELECT 1; END')
    onTestFinished(() => observe('DROP PROCEDURE ends_it').then(() => undefined))
    const endAnd = (next: (client: MysqlClient) => unknown): Promise<unknown> =>
      pool
        .transaction(async (client) => {
          await client.query(statement)
          await next(client)
        })
        .catch((error: unknown) => error)
    const error = await endAnd(() => undefined)
    expect(error).toBeInstanceOf(TransactionEndedError)
    expect(error).toMatchObject({
      name: 'TransactionEndedError',
      code: 'FORKSAFE_MYSQL_TRANSACTION_ENDED',
      message: expect.stringContaining('Pool "mysql": the transaction had ended before') as string,
    })
    if (by === 'procedure') return
    expect(
      await endAnd((client) => client.query(`INSERT INTO ${after} VALUES (1)`)),
    ).toBeInstanceOf(TransactionEndedError)
    expect(await rowsOf(after)).toEqual([])
  })
})

test('a child that reads the answer to the parent’s statement asks nothing about it', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const sentSince = async (mark: number) =>
    (await proxy.records({ since: mark, openedBefore: mark })).filter(
      (record) => 'direction' in record && record.direction === 'fromClient',
    )
  let written: unknown
  const transaction = pool.transaction(async (client) => {
    await proxy.hold({ direction: 'fromServer' })
    const begun = await proxy.mark()
    const failed = client.query('SELEKT').catch(() => 'read')
    await expect.poll(() => sentSince(begun)).toHaveLength(1)
    const mark = await proxy.mark()
    const child = await fork(
      async () => {
        await proxy.resume()
        const answer = await Promise.race([failed, sleep(8_000)])
        await sleep(50)
        return answer
      },
      { afterFork: false },
    )
    blockUntilEnded(child.pid)
    expect(await child.result).toBe('read')
    written = await sentSince(mark)
    throw new Error('enough')
  })
  transaction.catch(() => undefined)
  await expect.poll(() => written).toEqual([])
})
