import type { QueryOptions, TypeCast } from 'mysql2'
import { describe, expect, test } from 'vitest'
import { type MysqlClient, mysqlDriver, type MysqlPool, RolledBackError } from '../src/index.ts'
import { connectionTo, observe, openPool, rowOf, sessionId, table } from './support/pools.ts'

// mysql2 ends a statement at the first row that it cannot read. The rest of the answer is still on its way.

const mine = new Error('mine')

/** Throws at the column `x` of the row that `at` accepts. */
function throwing(at = (_row: number): boolean => true): TypeCast {
  let row = 0
  return (field, next) => {
    if (field.name !== 'x') return next()
    if (at(row++)) throw mine
    return next()
  }
}

const LONG = "SELECT seq, REPEAT('x', 300000) AS x FROM seq_1_to_3"
/** Statements whose answer cannot be read to its end. */
const unreadable: Record<string, () => QueryOptions> = {
  'the first row': () => ({ sql: LONG, typeCast: throwing() }),
  'the last row': () => ({ sql: LONG, typeCast: throwing((row) => row === 2) }),
  'rows as arrays': () => ({ sql: LONG, typeCast: throwing(), rowsAsArray: true }),
  'nested tables': () => ({ sql: LONG, typeCast: throwing(), nestTables: true }),
  'the second result': () => ({
    sql: `SELECT 1 AS n; ${LONG}; SELECT 2`,
    typeCast: throwing(),
  }),
  'a row of more than 16 MB': () => ({
    sql: "SELECT REPEAT('x', 15000000) AS y, REPEAT('x', 3000000) AS x FROM seq_1_to_2",
    typeCast: throwing(),
  }),
}
const multiple = { ...connectionTo(), multipleStatements: true }

/** Expects that whoever comes next gets its own answers. */
async function expectOwnAnswers(pool: MysqlPool): Promise<void> {
  for (const n of [7, 8, 9]) expect(await rowOf(pool, `SELECT ${n} AS n`)).toEqual({ n })
}

describe.each(Object.entries(unreadable))('an error in %s', (_, statementOf) => {
  test('is not followed by anybody’s answer: the connection ends', async () => {
    const pool = openPool(multiple, { max: 1 })
    const id = await sessionId(pool)
    await expect(pool.query(statementOf())).rejects.toBe(mine)
    await expectOwnAnswers(pool)
    expect(await sessionId(pool)).not.toBe(id)
  })

  test('of a stream', async () => {
    const pool = openPool(multiple, { max: 1 })
    const id = await sessionId(pool)
    await expect(async () => {
      for await (const _row of pool.stream(statementOf()));
    }).rejects.toBe(mine)
    await expectOwnAnswers(pool)
    expect(await sessionId(pool)).not.toBe(id)
  })

  test('lets its holder read no answer of another statement', async () => {
    const pool = openPool(multiple, { max: 1 })
    await pool.use(async (client) => {
      const together = [client.query(statementOf()), client.query('SELECT 1 AS n')]
      const [first, second] = await Promise.allSettled(together)
      expect(first).toMatchObject({ status: 'rejected', reason: mine })
      expect(second).toMatchObject({ status: 'rejected', reason: { cause: mine, fatal: true } })
      await expect(client.query('SELECT 1 AS n')).rejects.toMatchObject({ cause: mine })
    })
    await expectOwnAnswers(pool)
  })
})

describe.each(['query', 'execute', 'stream'] as const)('with `%s`', (verb) => {
  const ask = async (client: MysqlClient, statement: QueryOptions): Promise<unknown> => {
    if (verb === 'query') return client.query(statement)
    if (verb === 'execute') return client.execute(statement)
    return client.connection.query(statement).stream().toArray()
  }

  test('invalid text in a JSON column ends the connection', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const name = await table('unread_json', 'j json, x longtext')
    await pool.use(async (client) => {
      await client.query('SET check_constraint_checks = OFF')
      await client.query(
        `INSERT INTO ${name} SELECT IF(seq = 1, '{wrong', '{}'), REPEAT('x', 300000) FROM seq_1_to_3`,
      )
    })
    const id = await sessionId(pool)
    await pool.use(async (client) => {
      await expect(ask(client, { sql: `SELECT * FROM ${name}` })).rejects.toThrow(/JSON/)
    })
    await expectOwnAnswers(pool)
    expect(await sessionId(pool)).not.toBe(id)
  })

  test.each([true, false])(
    'a transaction is rolled back (its work swallows the error: %s), and nothing more is sent',
    async (swallows) => {
      const pool = openPool(connectionTo(), { max: 1 })
      const name = await table('unread_transaction')
      const statement = { sql: LONG, typeCast: throwing() }
      const transaction = pool.transaction(async (client) => {
        await client.query(`INSERT INTO ${name} VALUES (1)`)
        const asked = ask(client, statement)
        if (!swallows) return asked
        await expect(asked).rejects.toBe(mine)
        await expect(client.query(`INSERT INTO ${name} VALUES (2)`)).rejects.toMatchObject({
          cause: mine,
        })
        return 'done'
      })
      if (swallows) {
        const error = await transaction.catch((error: unknown) => error)
        expect(error).toBeInstanceOf(RolledBackError)
        expect(error).toMatchObject({ cause: { cause: mine } })
      } else await expect(transaction).rejects.toBe(mine)
      await expectOwnAnswers(pool)
      expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
    },
  )

  test('a savepoint that swallows the error does not hide it', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const name = await table('unread_savepoint')
    const transaction = pool.transaction(async (client, savepoint) => {
      await client.query(`INSERT INTO ${name} VALUES (1)`)
      const statement = { sql: LONG, typeCast: throwing() }
      await savepoint(() => ask(client, statement)).catch(() => undefined)
    })
    // The rollback to the savepoint was not sent: the connection was closed instead.
    await expect(transaction).rejects.toMatchObject({
      code: expect.stringMatching(/_(?:ROLLED_BACK|LEASE_RELEASED)$/) as string,
    })
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
  })
})

test('a procedure’s rows that cannot be read end the connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await observe(`CREATE OR REPLACE PROCEDURE unread_rows() BEGIN SELECT 1 AS n; ${LONG}; END`)
  const id = await sessionId(pool)
  for (const verb of ['query', 'execute'] as const) {
    const call = pool[verb]({ sql: 'CALL unread_rows()', typeCast: throwing() })
    await expect(call).rejects.toBe(mine)
    await expectOwnAnswers(pool)
  }
  expect(await sessionId(pool)).not.toBe(id)
  await observe('DROP PROCEDURE unread_rows')
})

test('compression makes no difference', async () => {
  const pool = openPool({ ...connectionTo(), compress: true }, { max: 1 })
  for (const verb of ['query', 'execute'] as const) {
    const id = await sessionId(pool)
    await expect(pool[verb]({ sql: LONG, typeCast: throwing() })).rejects.toBe(mine)
    await expectOwnAnswers(pool)
    expect(await sessionId(pool)).not.toBe(id)
  }
})

test('an error that is no object, or looks like the server’s, ends the connection all the same', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  for (const thrown of [
    'text',
    undefined,
    Object.assign(new Error(), { errno: 1064, sqlState: '42000' }),
  ]) {
    const id = await sessionId(pool)
    const typeCast = (): never => {
      // oxlint-disable-next-line typescript/only-throw-error -- programs do
      throw thrown
    }
    await expect(pool.query({ sql: LONG, typeCast })).rejects.toBeDefined()
    await expectOwnAnswers(pool)
    expect(await sessionId(pool)).not.toBe(id)
  }
})

test('a value that cannot be sent is refused before anything is, and the connection stays', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const name = await table('unsent', 'n int')
  const id = await sessionId(pool)
  const circular: { self?: unknown } = {}
  circular.self = circular
  const refusing = {
    toJSON(): never {
      throw mine
    },
    toString(): never {
      throw mine
    },
  }
  for (const value of [{ a: 1n }, circular, refusing, () => 1]) {
    await expect(pool.execute('SELECT ?', [value as never])).rejects.toBeInstanceOf(Error)
    await expectOwnAnswers(pool)
  }
  await expect(pool.query('SELECT ?', [refusing])).rejects.toBe(mine)
  await expect(
    pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${name} VALUES (1)`)
      await client.execute('SELECT ?', [{ a: 1n }]).catch(() => undefined)
    }),
  ).resolves.toBeUndefined()
  expect(await observe(`SELECT * FROM ${name}`)).toEqual([{ n: 1 }])
  expect(await sessionId(pool)).toBe(id)
})

test('a listener or a callback that throws ends the connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const id = await sessionId(pool)
  await pool.use(
    ({ connection }) =>
      new Promise<void>((resolve) => {
        connection.on('error', () => resolve())
        connection.query(LONG).on('result', () => {
          throw mine
        })
      }),
  )
  await expectOwnAnswers(pool)
  expect(await sessionId(pool)).not.toBe(id)
})

test('an error behind an answer of the server, of a file that is not loaded, ends the connection too', async () => {
  const pool = openPool({ ...connectionTo(), multipleStatements: true }, { max: 1 })
  const name = await table('unread_infile')
  const id = await sessionId(pool)
  const load = `LOAD DATA LOCAL INFILE 'x' INTO TABLE ${name}`
  for (const sql of [load, `${load}; SELECT 1; SELECT 2`]) {
    await expect(pool.query(sql)).rejects.toThrow(/streamFactory/)
    await expectOwnAnswers(pool)
  }
  expect(await sessionId(pool)).not.toBe(id)
})

test('the hook `reset` refuses a session whose answer was not read', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  using lease = await pool.acquire()
  const client = lease.resource
  await client.query({ sql: LONG, typeCast: throwing() }).catch(() => undefined)
  expect(() => mysqlDriver.reset?.(client, { checkProcess: () => undefined })).toThrow('answer')
})
