import { getEventListeners, once } from 'node:events'
import { expect, test } from 'vitest'
import { CommitUnknownError } from '../src/index.ts'
import {
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  rowOf,
  running,
  sessionId,
  table,
} from './support/pools.ts'

const rowsOf = (table: string): Promise<object[]> => observe(`SELECT n FROM ${table} ORDER BY n`)

test('transaction commits, and returns the result of `work`', async () => {
  const pool = openPool()
  const committed = await table('committed')
  const result = await pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${committed} VALUES (1)`)
    return 'done'
  })
  expect(result).toBe('done')
  expect(await rowsOf(committed)).toEqual([{ n: 1 }])
})

test('transaction rolls back before it rejects with the error of `work`', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const rolledBack = await table('rolled_back')
  const failing = pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${rolledBack} VALUES (1)`)
    throw new Error('changed my mind')
  })
  await expect(failing).rejects.toThrow('changed my mind')
  expect(await rowsOf(rolledBack)).toEqual([])
})

test('a transaction begins as its options say, and the next one does not', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const begun = await table('begun')
  const insert = (options?: object): Promise<unknown> =>
    pool.transaction((client) => client.query(`INSERT INTO ${begun} VALUES (1)`), options)
  await expect(insert({ readOnly: true })).rejects.toMatchObject({ errno: 1792 })
  await insert({ readOnly: false })
  await insert()
  // A reader who is serializable waits for whoever has written, any other does not.
  await pool.transaction(async (writer) => {
    await writer.query(`INSERT INTO ${begun} VALUES (2)`)
    const other = openPool(connectionTo(), { max: 1 })
    const read = (options?: object): Promise<unknown> =>
      other.transaction(async (client) => {
        await client.query('SET innodb_lock_wait_timeout = 0')
        return rowOf(client, `SELECT COUNT(*) AS n FROM ${begun}`)
      }, options)
    await expect(read({ isolation: 'serializable' })).rejects.toMatchObject({ errno: 1205 })
    expect(await read()).toEqual({ n: 2 })
    expect(await read({ isolation: 'read uncommitted' })).toEqual({ n: 3 })
  })
})

test.each([
  [
    { isolation: 'snapshot' },
    "'read uncommitted', 'read committed', 'repeatable read' or 'serializable'",
  ],
  [{ readOnly: 'yes' }, 'true or false, got a string'],
  [{ retries: -1 }, 'a whole number of at least 0, got -1 (number)'],
  [{ signal: {} }, 'an AbortSignal'],
  [{ isolation: Object.create(null) as object }, 'got an object'],
  [{ deferrable: true }, 'there is no option `deferrable`'],
  [null, 'expected a plain object of options, got null'],
  ['serializable', 'expected a plain object of options, got a string'],
  [
    new AbortController().signal,
    'expected a plain object of options, got an instance of AbortSignal',
  ],
])('%j is refused before anything is asked of the server', async (options, message) => {
  const pool = openPool(connectionTo(), { name: 'shop' })
  const refused = pool.transaction(() => 1, options as object)
  await expect(refused).rejects.toThrow(TypeError)
  await expect(refused).rejects.toThrow(message)
  await expect(refused).rejects.toThrow('Pool "shop", `transaction`')
  expect(pool.stats.size).toBe(0)
})

test('work that is no function is refused', async () => {
  const refused = openPool().transaction('BEGIN' as never)
  await expect(refused).rejects.toThrow('expected a function, got a string')
})

test('a savepoint keeps its changes or rolls them back, and the transaction continues', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const nested = await table('nested')
  const insert = (n: number): string => `INSERT INTO ${nested} VALUES (${n})`
  await pool.transaction(async (client, savepoint) => {
    await client.query(insert(1))
    expect(await savepoint(async (client) => (await client.query(insert(2)))[0])).toMatchObject({
      affectedRows: 1,
    })
    const failing = savepoint(async (client, savepoint) => {
      await client.query(insert(3))
      await savepoint((client) => client.query(insert(4)))
      await client.query('SELEKT')
    })
    await expect(failing).rejects.toMatchObject({ errno: 1064 })
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
  const pool = openPool()
  const crossed = pool.transaction((_client, savepoint) =>
    Promise.all([savepoint((client) => client.query('SELECT 1')), savepoint(() => 2)]),
  )
  await expect(crossed).rejects.toThrow(
    'Pool "mysql", `savepoint`: expected the one before to have ended',
  )
  const inside = pool.transaction((_client, savepoint) => savepoint(() => savepoint(() => 3)))
  await expect(inside).rejects.toThrow('nest with the `savepoint` that it is given')
})

/** Two transactions of which each wants what the other has: how often they were begun, and how each ended. */
async function deadlock(
  name: string,
  { retries, swallow = false }: { retries?: number; swallow?: boolean },
) {
  const pool = openPool(connectionTo(), { max: 2 })
  const pair = await table(name, 'n int PRIMARY KEY, by_whom int')
  await observe(`INSERT INTO ${pair} VALUES (1, 0), (2, 0)`)
  let attempts = 0
  let holding = 0
  const lockBoth = (first: number, second: number): Promise<void> =>
    pool.transaction(
      async (client) => {
        attempts++
        const take = (n: number) =>
          client.query(`UPDATE ${pair} SET by_whom = ? WHERE n = ?`, [first, n])
        await take(first)
        holding++
        // Both hold one before either asks for the other's; a second attempt has nobody to wait for.
        if (attempts <= 2)
          await expect.poll(() => holding, { interval: 5 }).toBeGreaterThanOrEqual(2)
        const taking = take(second)
        await (swallow ? taking.catch(() => take(first)) : taking)
      },
      { retries },
    )
  const ends = await Promise.allSettled([lockBoth(1, 2), lockBoth(2, 1)])
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []))
  return { attempts, errors }
}

test('a deadlock is tried again, when asked', async () => {
  expect(await deadlock('retried', { retries: 1 })).toEqual({ attempts: 3, errors: [] })
})

test('a deadlock is not tried again, when not asked', async () => {
  const { attempts, errors } = await deadlock('not_retried', {})
  expect(attempts).toBe(2)
  expect(errors).toMatchObject([{ errno: 1213 }])
})

test('transaction rejects if a deadlock has rolled it back', async () => {
  const { errors } = await deadlock('swallowed', { swallow: true })
  expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('rolled back')])
})

test('a lock that is not had in time is tried again, when asked, and any other error is not', async () => {
  const pool = openPool()
  let attempts = 0
  const fail = (errno: number, options?: { retries: number }): Promise<unknown> =>
    pool.transaction(async (client) => {
      attempts++
      await client.query(`SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}`)
    }, options)
  await expect(fail(1205)).rejects.toMatchObject({ errno: 1205 })
  expect(attempts).toBe(1)
  await expect(fail(1205, { retries: 2 })).rejects.toMatchObject({ errno: 1205 })
  expect(attempts).toBe(4)
  await expect(fail(1062, { retries: 2 })).rejects.toMatchObject({ errno: 1062 })
  expect(attempts).toBe(5)
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
    code: 'FORKSAFE_MYSQL_COMMIT_UNKNOWN',
    pool: 'mysql',
    cause: expect.any(Error) as Error,
  })
})

test('if a connection is lost before COMMIT, the transaction is reported as rolled back', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const lost = pool.transaction(async (client) => {
    await proxy.cut()
    await expect.poll(() => pool.stats.size, { interval: 5 }).toBe(0)
    expect(client.threadId).toEqual(expect.any(Number))
  })
  const error: unknown = await lost.catch((error: unknown) => error)
  expect(error).not.toBeInstanceOf(CommitUnknownError)
  expect(error).toMatchObject({ name: 'LeaseReleasedError' })
})

test('an abort ends the statement, rolls the transaction back, and gives back its connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const aborted = await table('aborted')
  const id = await sessionId(pool)
  const controller = new AbortController()
  const { signal } = controller
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${aborted} VALUES (1)`)
      await client.query('SELECT SLEEP(60), 106')
    },
    { signal, retries: 3 },
  )
  const outcome = transaction.catch((error: unknown) => error)
  await expect.poll(() => running('106')).toBe(1)
  controller.abort(new Error('enough'))
  expect(await outcome).toMatchObject({ message: 'enough' })
  expect(await sessionId(pool)).toBe(id)
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

test('an abort before the work has begun keeps it from beginning', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.query('SELECT 1')
  let begun = 0
  for (let turns = 0; turns < 20; turns++) {
    const controller = new AbortController()
    const transaction = pool.transaction(() => ++begun, { signal: controller.signal })
    // One step further each time.
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    controller.abort(new Error('enough'))
    await expect(transaction).rejects.toThrow('enough')
  }
  await expect.poll(() => pool.stats.idle).toBe(1)
  expect(begun).toBe(0)
})

test.each([
  ['read in part', 'readable'],
  ['not read at all', undefined],
])('a stream that was %s keeps a transaction from being committed', async (_, event) => {
  const pool = openPool(connectionTo(), { max: 1 })
  const open = await table(`left_open_${event}`)
  const transaction = pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${open} VALUES (1)`)
    const rows = client.connection.query('SELECT seq FROM seq_1_to_100000').stream()
    if (event !== undefined) await once(rows, event)
  })
  await expect(transaction).rejects.toThrow(
    'Pool "mysql": the transaction was rolled back: a stream',
  )
  await expect.poll(() => observe(`SELECT n FROM ${open}`)).toEqual([])
  expect((await pool.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }])
})

test('a stream that was read, or given up, does not keep a transaction from being committed', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const read = await table('streamed')
  await pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${read} VALUES (1)`)
    const core = client.connection
    for await (const row of core.query('SELECT 1 AS n').stream()) expect(row).toEqual({ n: 1 })
    for await (const row of core.query('SELECT seq FROM seq_1_to_1000').stream()) {
      expect(row).toEqual({ seq: 1 })
      break
    }
  })
  expect(await observe(`SELECT n FROM ${read}`)).toEqual([{ n: 1 }])
})
