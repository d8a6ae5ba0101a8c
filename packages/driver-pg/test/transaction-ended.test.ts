import type { Client, QueryConfig } from 'pg'
import Cursor from 'pg-cursor'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  CommitUnknownError,
  type Savepoint,
  TransactionEndedError,
  type TransactionOptions,
} from '../src/index.ts'
import { transactionEffectsOf } from '../src/transaction-effects.ts'
import { useOwnServer } from './support/own-server.ts'
import { connectionTo, observe, openPool, openRecordedPool } from './support/pools.ts'

async function table(name: string, columns = 'n int'): Promise<string> {
  await observe(`CREATE TABLE ${name} (${columns})`)
  onTestFinished(() => observe(`DROP TABLE ${name}`).then(() => undefined))
  return name
}

const rowsOf = (table: string): Promise<object[]> => observe(`SELECT n FROM ${table} ORDER BY n`)

type Work = (client: Client, savepoint: Savepoint) => unknown

const query =
  (...statements: string[]): Work =>
  async (client) => {
    for (const statement of statements) await client.query(statement)
  }

/** Ways to end a transaction and to start another, and whether the first one is committed. */
const endings: [string, Work, kept: boolean][] = [
  ['COMMIT AND CHAIN', query('COMMIT AND CHAIN'), true],
  ['commit in lower case, with comments', query('/* x */ commit -- y\n and chain'), true],
  ['END AND CHAIN', query('END AND CHAIN'), true],
  ['ROLLBACK AND CHAIN', query('ROLLBACK AND CHAIN'), false],
  ['ABORT AND CHAIN', query('abort transaction and chain'), false],
  ['COMMIT; BEGIN in one text', query('COMMIT; BEGIN'), true],
  ['COMMIT and BEGIN', query('COMMIT', 'BEGIN'), true],
  ['ROLLBACK; BEGIN in one text', query('ROLLBACK; BEGIN'), false],
  ['ROLLBACK and START TRANSACTION', query('ROLLBACK', 'START TRANSACTION'), false],
  ['END; BEGIN in one text', query('END; BEGIN'), true],
  ['a savepoint and a ROLLBACK', query('SAVEPOINT a; ROLLBACK TO a; ROLLBACK; BEGIN'), false],
  [
    'COMMIT after a failed statement',
    async (client) => {
      await client.query('SELECT 1/0').catch(() => undefined)
      await client.query('COMMIT')
      await client.query('BEGIN')
    },
    false,
  ],
  [
    'a COMMIT before a statement that fails',
    async (client) => {
      await client.query('COMMIT; SELECT 1/0').catch(() => undefined)
      await client.query('BEGIN')
    },
    true,
  ],
  [
    'a prepared COMMIT',
    async (client) => {
      await client.query({ name: 'c', text: 'COMMIT AND CHAIN' })
    },
    true,
  ],
  [
    'a prepared ROLLBACK, by its name alone',
    async (client) => {
      await client.query({ name: 'r', text: 'ROLLBACK TO SAVEPOINT a' }).catch(() => undefined)
      await client.query({ name: 'r2', text: 'ROLLBACK AND CHAIN' })
    },
    false,
  ],
  [
    'a cursor',
    async (client) => {
      const cursor = client.query(new Cursor('ROLLBACK AND CHAIN'))
      await cursor.read(1)
      await cursor.close()
    },
    false,
  ],
  [
    'statements that are not awaited',
    (client) => {
      client.query('COMMIT').catch(() => undefined)
      client.query('BEGIN').catch(() => undefined)
    },
    true,
  ],
  [
    'a savepoint of ours',
    async (_, savepoint) => {
      await savepoint(query('COMMIT', 'BEGIN'))
    },
    true,
  ],
  [
    'a savepoint of ours whose error is swallowed',
    async (_, savepoint) => {
      await savepoint(query('ROLLBACK', 'BEGIN')).catch(() => undefined)
    },
    false,
  ],
]

describe.each(endings)(
  'work that ends its transaction by %s and starts another',
  (by, end, kept) => {
    const run = async (
      after: Work,
      options?: TransactionOptions,
    ): Promise<{ error: unknown; rows: object[]; attempts: number }> => {
      const pool = openPool(connectionTo(), { max: 1, name: 'shop' })
      const ended = await table('ended_and_begun')
      let attempts = 0
      const error = await pool
        .transaction(async (client, savepoint) => {
          attempts++
          await client.query(`INSERT INTO ${ended} VALUES (1)`)
          await end(client, savepoint)
          await after(client, savepoint)
        }, options)
        .then(
          () => 'resolved',
          (error: unknown) => error,
        )
      await expect.poll(() => pool.stats.borrowed).toBe(0)
      const { rows } = await pool.query(`SELECT n FROM ${ended} ORDER BY n`)
      expect(rows).toEqual(await rowsOf(ended))
      return { error, rows, attempts }
    }
    const rows = kept ? [{ n: 1 }] : []

    test('rejects when it returns', async () => {
      const done = await run(() => undefined)
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      expect(done.error).toMatchObject({ code: 'FORKSAFE_PG_TRANSACTION_ENDED', pool: 'shop' })
      expect(done.rows).toEqual(rows)
    })

    test('rejects when it throws, with that as the cause, and is not retried', async () => {
      const mine = Object.assign(new Error('mine'), { code: '40001' })
      const done = await run(
        () => {
          throw mine
        },
        { retries: 3 },
      )
      expect(done).toMatchObject({ attempts: 1, rows })
      // What is thrown by `savepoint` says so already.
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      if (by !== 'a savepoint of ours') expect((done.error as Error).cause).toBe(mine)
    })

    test('rejects when it throws in a savepoint', async () => {
      const mine = new Error('mine')
      const done = await run((_, savepoint) =>
        savepoint(() => {
          throw mine
        }),
      )
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      expect(done.rows).toEqual(rows)
    })

    test('rejects when its signal aborts', async () => {
      const controller = new AbortController()
      const done = await run(
        async (client) => {
          const sleeping = client.query('SELECT pg_sleep(60)')
          controller.abort(new Error('enough'))
          await sleeping
        },
        { signal: controller.signal },
      )
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      expect(done.rows).toEqual(rows)
    })

    test('rejects when its connection is lost', async () => {
      const done = await run((client) =>
        client.query('SELECT pg_terminate_backend(pg_backend_pid())'),
      )
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      expect(done.rows).toEqual(rows)
    })

    test('does not keep what it does after that', async () => {
      if (by.includes('await')) return
      const done = await run((client) => client.query('INSERT INTO ended_and_begun VALUES (2)'))
      expect(done.error).toBeInstanceOf(TransactionEndedError)
      expect(done.rows).toEqual(rows)
    })
  },
)

test('work that ends its transaction behind a statement that it does not await is told so', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const transaction = pool.transaction((client) => {
    void client.query('SELECT 1').then(async () => {
      await client.query('COMMIT')
      await client.query('BEGIN')
    })
  })
  await expect(transaction).rejects.toThrow(TransactionEndedError)
})

describe('where transactions can be prepared', () => {
  const own = useOwnServer({ settings: { max_prepared_transactions: '2' } })

  test('work that prepares its own is told so', async () => {
    const pool = openPool(own().connection, { max: 1 })
    const prepared = pool.transaction(async (client) => {
      await client.query("PREPARE TRANSACTION 'ours'")
      await client.query('BEGIN')
    })
    await expect(prepared).rejects.toThrow(TransactionEndedError)
    await pool.query("ROLLBACK PREPARED 'ours'")
  })
})

test.each([
  ['plain', ['SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE a']],
  [
    'in lower case, in full',
    ['savepoint a', 'rollback transaction to savepoint a', 'release savepoint a'],
  ],
  [
    'with comments',
    ['/* x */ SAVEPOINT a', '-- y\nROLLBACK /* ; ROLLBACK */ WORK TO a', 'RELEASE a -- ; COMMIT'],
  ],
  ['in one text', ["SAVEPOINT a; SELECT 'rollback; '; ROLLBACK TO SAVEPOINT a; RELEASE a"]],
  [
    'with quotes',
    [`SAVEPOINT "ro;ll"; SELECT $$;ROLLBACK;$$, E'\\';ROLLBACK;', '\\'; ROLLBACK TO "ro;ll"`],
  ],
])('savepoints in SQL are allowed: %s', async (_, statements) => {
  const pool = openPool(connectionTo(), { max: 1 })
  const kept = await table('kept_by_hand')
  await pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${kept} VALUES (1)`)
    for (const text of statements) await client.query(text)
    await client.query(`INSERT INTO ${kept} VALUES (2)`)
  })
  expect(await rowsOf(kept)).toEqual([{ n: 1 }, { n: 2 }])
})

test('savepoints by hand are legal after a failed statement, prepared, and within ours', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const kept = await table('kept_by_hand')
  await pool.transaction(async (client, savepoint) => {
    await client.query({ name: 's', text: 'SAVEPOINT a' })
    for (const _ of [1, 2]) {
      await client.query(`INSERT INTO ${kept} VALUES (0); SELECT 1/0`).catch(() => undefined)
      await client.query({ name: 'r', text: 'ROLLBACK TO a' })
    }
    await client.query({ name: 'r' } as QueryConfig)
    await savepoint(async (client) => {
      await client.query('SAVEPOINT b')
      await client.query('ROLLBACK TO b')
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
    })
  })
  expect(await rowsOf(kept)).toEqual([{ n: 1 }])
})

test('an error thrown in a savepoint is the cause, if the transaction has ended in it', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const mine = new Error('mine')
  const transaction = pool.transaction((_, savepoint) =>
    savepoint(async (client) => {
      await client.query('ROLLBACK AND CHAIN')
      throw mine
    }),
  )
  await expect(transaction).rejects.toThrow(TransactionEndedError)
  await expect(transaction).rejects.toMatchObject({ cause: mine })
})

test('after its signal has aborted, work sends nothing more', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const kept = await table('kept_by_hand')
  const controller = new AbortController()
  const refused: unknown[] = []
  let finish = (): void => undefined
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      controller.abort(new Error('enough'))
      await new Promise<void>((resolve) => (finish = resolve))
      const note = (error: unknown): void => void refused.push(error)
      await client.query('COMMIT').catch(note)
      await new Promise<void>((resolve) =>
        client.query('COMMIT', (error: Error) => resolve(note(error))),
      )
      await client.query(new Cursor('COMMIT')).read(1).catch(note)
    },
    { signal: controller.signal },
  )
  await expect(transaction).rejects.toThrow('enough')
  finish()
  await expect.poll(() => pool.stats.idle).toBe(1)
  const reason = expect.objectContaining({ message: 'enough' }) as unknown
  expect(refused).toEqual([reason, reason, reason])
  expect(await rowsOf(kept)).toEqual([])
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }])
})

test('if a connection is lost during a COMMIT in `work`, the outcome is reported as unknown', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const kept = await table('kept_by_hand')
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      await proxy.hold({ direction: 'fromServer' })
      await client.query('COMMIT')
    },
    { retries: 3 },
  )
  const outcome = transaction.catch((error: unknown) => error)
  await expect.poll(() => rowsOf(kept)).toEqual([{ n: 1 }])
  await proxy.cut()
  const error = await outcome
  expect(error).toBeInstanceOf(CommitUnknownError)
  expect((error as Error).cause).toBeInstanceOf(Error)
})

test.each([
  ['terminated', (client: Client) => client.query('SELECT pg_terminate_backend(pg_backend_pid())')],
  ['ended by work', (client: Client) => client.end()],
])(
  'work that swallows the end of its connection (%s) is known to be rolled back',
  async (_, lose) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const lost = await table('lost_and_swallowed')
    const transaction = pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${lost} VALUES (1)`)
      await lose(client).catch(() => undefined)
    })
    const error: unknown = await transaction.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(CommitUnknownError)
    expect(error).not.toBeInstanceOf(TransactionEndedError)
    expect(await rowsOf(lost)).toEqual([])
  },
)

test('an ordinary transaction sends its statements, BEGIN and COMMIT, and nothing else', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const sent: string[] = []
  await pool.transaction(async (client) => {
    const { connection } = client as unknown as { connection: { query: (text: string) => void } }
    const send = connection.query.bind(connection)
    connection.query = (text) => {
      sent.push(text)
      send(text)
    }
    await client.query('SELECT 1')
    await client.query('SAVEPOINT a')
    await client.query('ROLLBACK TO a')
  })
  expect(sent).toEqual(['SELECT 1', 'SAVEPOINT a', 'ROLLBACK TO a', 'COMMIT'])
})

test.each([
  ['SELECT 1', []],
  ['rollback', ['ends']],
  ['ROLLBACK WORK AND NO CHAIN', ['ends']],
  ['rollback work to a; end', ['rolls back to a savepoint', 'ends']],
  ['PREPARE TRANSACTION $$a$$', ['ends']],
  ['PREPARE a AS SELECT 1', []],
  ['/* /* nested */ rollback; */ abort', ['ends']],
  ['select "rollback;" ; commit', ['ends']],
  [`select $a$ ; rollback; $b$ $$ $a$; rollback to a`, ['rolls back to a savepoint']],
  ["select E'a\\''';rollback;'", []],
  ["select 'a''; rollback;'", []],
  ["select '\\'; rollback; --'", undefined],
  ['select 1 -- ; rollback\r; commit', ['ends']],
  ["select 'never closed; rollback", []],
  ['/* never closed; rollback', []],
  ['select a$$; rollback; b$$', ['ends']],
])('%s', (text, expected) => {
  expect(transactionEffectsOf(text)).toEqual(expected)
})
