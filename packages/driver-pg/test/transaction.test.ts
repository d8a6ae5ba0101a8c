import { type EventEmitter, getEventListeners } from 'node:events'
import { type Client, DatabaseError } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CommitUnknownError, RolledBackError, TransactionEndedError } from '../src/index.ts'
import { backendPid, connectionTo, observe, openPool, openRecordedPool } from './support/pools.ts'

/** A table that goes with the test. */
async function table(name: string, columns = 'n int'): Promise<string> {
  await observe(`CREATE TABLE ${name} (${columns})`)
  onTestFinished(() => observe(`DROP TABLE ${name}`).then(() => undefined))
  return name
}

const rowsOf = (table: string): Promise<object[]> => observe(`SELECT n FROM ${table} ORDER BY n`)

test('a transaction begins as its options say', async () => {
  const pool = openPool(connectionTo())
  const show = `SELECT current_setting('transaction_isolation') AS isolation,
    current_setting('transaction_read_only') AS "readOnly", current_setting('transaction_deferrable') AS deferrable`
  const begun = async (options?: object): Promise<unknown> =>
    pool.transaction(async (client) => (await client.query(show)).rows[0] as unknown, options)
  expect(await begun()).toEqual({
    isolation: 'read committed',
    readOnly: 'off',
    deferrable: 'off',
  })
  expect(await begun({ isolation: 'serializable', readOnly: true, deferrable: true })).toEqual({
    isolation: 'serializable',
    readOnly: 'on',
    deferrable: 'on',
  })
  expect(await begun({ isolation: 'repeatable read', readOnly: false, deferrable: false })).toEqual(
    {
      isolation: 'repeatable read',
      readOnly: 'off',
      deferrable: 'off',
    },
  )
})

test.each([
  [
    { isolation: 'snapshot' },
    "'read uncommitted', 'read committed', 'repeatable read' or 'serializable'",
  ],
  [{ readOnly: 'yes' }, 'true or false, got a string'],
  [{ retries: -1 }, 'a whole number of at least 0, got -1 (number)'],
  [{ isolation: Object.create(null) as object }, 'got an object'],
  [{ signal: {} }, 'an AbortSignal, got an object'],
  [{ retry: 3 }, 'there is no option `retry`'],
])('%j is refused before anything is asked of the server', async (options, message) => {
  const pool = openPool(connectionTo(), { name: 'shop' })
  const refused = pool.transaction(() => 1, options as object)
  await expect(refused).rejects.toThrow(TypeError)
  await expect(refused).rejects.toThrow(message)
  await expect(refused).rejects.toThrow('Pool "shop", `transaction`')
  expect(pool.stats.size).toBe(0)
})

test('work that is no function is refused', async () => {
  const pool = openPool(connectionTo())
  await expect(pool.transaction('BEGIN' as never)).rejects.toThrow(
    'expected a function, got a string',
  )
})

test.each(['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN; ROLLBACK'])(
  'work that ended its transaction itself, by %s, is told so',
  async (statement) => {
    const pool = openPool(connectionTo(), { name: 'shop', max: 1 })
    const ended = await table('ended')
    const committing = pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${ended} VALUES (1)`)
      await client.query(statement)
      await client.query(`INSERT INTO ${ended} VALUES (2)`)
    })
    await expect(committing).rejects.toBeInstanceOf(TransactionEndedError)
    await expect(committing).rejects.toMatchObject({
      name: 'TransactionEndedError',
      code: 'FORKSAFE_PG_TRANSACTION_ENDED',
      pool: 'shop',
    })
    expect(await rowsOf(ended)).toContainEqual({ n: 2 })
  },
)

test('work that did not wait for its own ROLLBACK is told so, too', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const committing = pool.transaction((client) => void client.query('ROLLBACK'))
  await expect(committing).rejects.toBeInstanceOf(TransactionEndedError)
})

test('work whose own COMMIT failed is not told that all went well', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const once = await table('once', 'n int UNIQUE DEFERRABLE INITIALLY DEFERRED')
  const swallowing = pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${once} VALUES (1), (1)`)
    await client.query('COMMIT').catch(() => undefined)
  })
  await expect(swallowing).rejects.toBeInstanceOf(TransactionEndedError)
})

test('a savepoint keeps its changes or rolls them back, and the transaction continues', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const nested = await table('nested')
  const insert = (n: number): string => `INSERT INTO ${nested} VALUES (${n})`
  await pool.transaction(async (client, savepoint) => {
    await client.query(insert(1))
    expect(await savepoint(async (client) => (await client.query(insert(2))).rowCount)).toBe(1)
    const failing = savepoint(async (client, savepoint) => {
      await client.query(insert(3))
      await savepoint((client) => client.query(insert(4)))
      // A failed statement fails the savepoint alone.
      await client.query('SELECT 1/0')
    })
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    await savepoint(async (client, savepoint) => {
      await client.query(insert(5))
      await savepoint(async (client) => {
        await client.query(insert(6))
        throw new Error('not this one')
      }).catch(() => undefined)
    })
  })
  expect(await rowsOf(nested)).toEqual([{ n: 1 }, { n: 2 }, { n: 5 }])
})

test('two savepoints side by side are refused: each would end the other', async () => {
  const pool = openPool(connectionTo())
  const crossed = pool.transaction((_client, savepoint) =>
    Promise.all([savepoint((client) => client.query('SELECT 1')), savepoint(() => 2)]),
  )
  await expect(crossed).rejects.toThrow(
    'Pool "pg", `savepoint`: expected the one before to have ended',
  )
  // And so is one of the outer level within an inner one, which would wait for itself.
  const inside = pool.transaction((_client, savepoint) => savepoint(() => savepoint(() => 3)))
  await expect(inside).rejects.toThrow('nest with the `savepoint` that it is given')
})

test('a serialization failure is tried again from the begin, when asked', async () => {
  const pool = openPool(connectionTo(), { max: 4 })
  const counter = await table('counter')
  await observe(`INSERT INTO ${counter} VALUES (0)`)
  let attempts = 0
  const increment = (): Promise<void> =>
    pool.transaction(
      async (client) => {
        attempts++
        const { rows } = await client.query<{ n: number }>(`SELECT n FROM ${counter}`)
        await client.query(`UPDATE ${counter} SET n = $1`, [(rows[0]?.n ?? 0) + 1])
      },
      { isolation: 'serializable', retries: 100 },
    )
  await Promise.all(Array.from({ length: 8 }, increment))
  expect(await rowsOf(counter)).toEqual([{ n: 8 }])
  expect(attempts).toBeGreaterThan(8)
})

test('a deadlock is tried again, when asked', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  const [one, two] = [await table('lock_one'), await table('lock_two')]
  let attempts = 0
  let holding = 0
  const lockBoth = (first: string, second: string): Promise<void> =>
    pool.transaction(
      async (client) => {
        attempts++
        await client.query(`LOCK TABLE ${first}`)
        holding++
        // Both hold one before either asks for the other's; a second attempt has nobody to wait for.
        if (attempts <= 2) await expect.poll(() => holding).toBeGreaterThanOrEqual(2)
        await client.query(`LOCK TABLE ${second}`)
      },
      { retries: 1 },
    )
  await Promise.all([lockBoth(one, two), lockBoth(two, one)])
  expect(attempts).toBe(3)
})

test('what is not asked to be retried is not, nor is any other error', async () => {
  const pool = openPool(connectionTo())
  let attempts = 0
  const fail = (code: string, options?: { retries: number }): Promise<unknown> =>
    pool.transaction(async (client) => {
      attempts++
      await client.query(`DO $$ BEGIN RAISE SQLSTATE '${code}'; END $$`)
    }, options)
  await expect(fail('40001')).rejects.toMatchObject({ code: '40001' })
  expect(attempts).toBe(1)
  await expect(fail('40001', { retries: 2 })).rejects.toMatchObject({ code: '40001' })
  expect(attempts).toBe(4)
  await expect(fail('22012', { retries: 2 })).rejects.toMatchObject({ code: '22012' })
  expect(attempts).toBe(5)
})

test('a constraint that fails at COMMIT is no unknown outcome', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const unique = await table('late', 'n int UNIQUE DEFERRABLE INITIALLY DEFERRED')
  const pid = await backendPid(pool)
  const failing = pool.transaction((client) =>
    client.query(`INSERT INTO ${unique} VALUES (1), (1)`),
  )
  await expect(failing).rejects.toThrow(DatabaseError)
  await expect(failing).rejects.toMatchObject({ code: '23505' })
  expect(await backendPid(pool)).toBe(pid)
})

test('if a connection is lost during COMMIT, the outcome is reported as unknown', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const accounts = await table('accounts')
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${accounts} VALUES (1)`)
      // COMMIT reaches the server, and its answer nobody.
      await proxy.hold({ direction: 'fromServer' })
    },
    { retries: 5 },
  )
  const outcome = transaction.catch((error: unknown) => error)
  await expect.poll(() => rowsOf(accounts)).toEqual([{ n: 1 }])
  await proxy.cut()
  const error = await outcome
  expect(error).toBeInstanceOf(CommitUnknownError)
  expect(error).toMatchObject({
    name: 'CommitUnknownError',
    code: 'FORKSAFE_PG_COMMIT_UNKNOWN',
    pool: 'pg',
    cause: expect.any(Error) as Error,
  })
})

test('if a connection is lost before COMMIT, the transaction is reported as rolled back', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const lost = pool.transaction(async (client) => {
    await client.query('SELECT 1')
    const ended = new Promise((resolve) => client.once('end', resolve))
    await proxy.cut()
    await ended
  })
  const error: unknown = await lost.catch((error: unknown) => error)
  expect(error).not.toBeInstanceOf(CommitUnknownError)
  expect(error).toMatchObject({ name: 'LeaseReleasedError' })
})

test('an abort ends the statement, rolls the transaction back, and gives back its connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const aborted = await table('aborted')
  const pid = await backendPid(pool)
  const controller = new AbortController()
  const { signal } = controller
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${aborted} VALUES (1)`)
      setTimeout(() => controller.abort(new Error('enough')), 10)
      await client.query('SELECT pg_sleep(60)')
    },
    { signal, retries: 3 },
  )
  await expect(transaction).rejects.toThrow('enough')
  expect(await backendPid(pool)).toBe(pid)
  expect(await rowsOf(aborted)).toEqual([])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('an abort between statements keeps the transaction from being committed', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const aborted = await table('aborted_between')
  const controller = new AbortController()
  let finish = (): void => undefined
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${aborted} VALUES (1)`)
      controller.abort(new Error('enough'))
      await new Promise<void>((resolve) => (finish = resolve))
    },
    { signal: controller.signal },
  )
  await expect(transaction).rejects.toThrow('enough')
  // Its work goes on, and so it keeps its connection.
  expect(pool.stats.borrowed).toBe(1)
  finish()
  await expect.poll(() => pool.stats.idle).toBe(1)
  expect(await rowsOf(aborted)).toEqual([])
})

test('an abort during the pause before another attempt ends it', async () => {
  const pool = openPool(connectionTo())
  const controller = new AbortController()
  let attempts = 0
  const retried = pool.transaction(
    async (client) => {
      if (++attempts === 3) setTimeout(() => controller.abort(new Error('enough')), 0)
      await client.query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
    },
    { signal: controller.signal, retries: 1_000_000 },
  )
  await expect(retried).rejects.toThrow('enough')
})

test('an abort before the work has begun keeps it from beginning', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.query('SELECT 1')
  let begun = 0
  for (let turns = 0; turns < 20; turns++) {
    const controller = new AbortController()
    const transaction = pool.transaction(() => ++begun, { signal: controller.signal })
    // While the lease is on its way, and while BEGIN is.
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    controller.abort(new Error('enough'))
    await expect(transaction).rejects.toThrow('enough')
  }
  await expect.poll(() => pool.stats.idle).toBe(1)
  expect(begun).toBe(0)
})

test.each([
  ['as the server says it', undefined],
  ['where the server speaks another language', 'FEHLER'],
])('a failure at COMMIT that the server tells of is known, %s', async (_, severity) => {
  const pool = openPool(connectionTo(), { max: 1 })
  const once = await table(
    `known_${String(severity)}`,
    'n int UNIQUE DEFERRABLE INITIALLY DEFERRED',
  )
  const failing = pool.transaction(async (client) => {
    if (severity !== undefined) translate(client, severity)
    await client.query(`INSERT INTO ${once} VALUES (1), (1)`)
  })
  await expect(failing).rejects.toMatchObject({ code: '23505', severity: severity ?? 'ERROR' })
})

test.each(['FATAL', 'SCHWERWIEGEND'])(
  'a session that is terminated during COMMIT (%s) leaves an outcome that is said to be unknown',
  async (severity) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const slow = await table(`slow_${severity}`)
    await observe(`CREATE FUNCTION wait_${severity}() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$`)
    onTestFinished(() => observe(`DROP FUNCTION wait_${severity} CASCADE`).then(() => undefined))
    await observe(`CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON ${slow} DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION wait_${severity}()`)
    const pid = await backendPid(pool)
    const transaction = pool.transaction(async (client) => {
      translate(client, severity)
      await client.query(`INSERT INTO ${slow} VALUES (1)`)
    })
    const outcome = transaction.catch((error: unknown) => error)
    await expect
      .poll(() =>
        observe("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND query = 'COMMIT'", [pid]),
      )
      .toHaveLength(1)
    await observe('SELECT pg_terminate_backend($1)', [pid])
    const error = await outcome
    expect(error).toBeInstanceOf(CommitUnknownError)
    expect(error).toMatchObject({ cause: { code: '57P01', severity } })
  },
)

/** Has the errors of a session come as they do from a server whose `lc_messages` is not English. */
function translate(client: Client, severity: string): void {
  const { connection } = client as Client & { readonly connection: EventEmitter }
  connection.prependListener('errorMessage', (error: object) => Object.assign(error, { severity }))
}

describe('a cursor or a COPY that is left open', () => {
  const cursors: [string, (client: Client) => Promise<unknown>][] = [
    ['a cursor', (client) => client.query(new Cursor('SELECT generate_series(1, 9)')).read(1)],
    [
      'a cursor that has not begun',
      async (client) => {
        client.query('SELECT 1').catch(() => undefined)
        client.query(new Cursor('SELECT generate_series(1, 9)'))
      },
    ],
    [
      'a COPY',
      async (client) => {
        await client.query('CREATE TEMP TABLE copied (n int)')
        const copy = client.query(copyFrom('COPY copied FROM STDIN'))
        await new Promise((resolve) => copy.write('1\n', resolve))
      },
    ],
  ]

  test.each(cursors)(
    '(%s) keeps a transaction from being committed, and says so',
    async (_, leave) => {
      const pool = openPool(connectionTo(), { max: 1, name: 'shop' })
      const open = await table('behind_a_stream')
      const transaction = pool.transaction(async (client) => {
        await client.query(`INSERT INTO ${open} VALUES (1)`)
        await leave(client)
      })
      const error: unknown = await transaction.catch((error: unknown) => error)
      expect(error).toBeInstanceOf(RolledBackError)
      expect(error).toMatchObject({
        name: 'RolledBackError',
        code: 'FORKSAFE_PG_ROLLED_BACK',
        pool: 'shop',
        message: expect.stringMatching(/^Pool "shop": .* left open/) as string,
      })
      expect(await rowsOf(open)).toEqual([])
      expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
    },
  )

  test.each(cursors)(
    '(%s) does not keep an error of the work from its caller',
    async (_, leave) => {
      const pool = openPool(connectionTo(), { max: 1 })
      const open = await table('behind_a_stream')
      const transaction = pool.transaction(async (client) => {
        await client.query(`INSERT INTO ${open} VALUES (1)`)
        await leave(client)
        throw new Error('changed my mind')
      })
      await expect(transaction).rejects.toThrow('changed my mind')
      await expect.poll(() => rowsOf(open)).toEqual([])
      expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
    },
  )

  test('in a savepoint ends the whole transaction, which cannot go back to there', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const open = await table('behind_a_stream')
    const transaction = pool.transaction(async (_, savepoint) => {
      await savepoint(async (client) => {
        await client.query(`INSERT INTO ${open} VALUES (1)`)
        await client.query(new Cursor('SELECT generate_series(1, 9)')).read(1)
      }).catch((error: unknown) => expect(error).toBeInstanceOf(RolledBackError))
    })
    await expect(transaction).rejects.toMatchObject({ name: 'LeaseReleasedError' })
    await expect.poll(() => rowsOf(open)).toEqual([])
  })
})
