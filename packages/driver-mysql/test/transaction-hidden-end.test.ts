import mysql from 'mysql2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { transactionEffectOf } from '../src/transaction-effects.ts'
import {
  CommitUnknownError,
  type MysqlClient,
  type Savepoint,
  TransactionEndedError,
  type TransactionOptions,
} from '../src/index.ts'
import { connectionTo, observe, openPool, openRecordedPool, table } from './support/pools.ts'

// A transaction that has ended while another one has begun looks like an open one.

const rowsOf = (table: string): Promise<object[]> => observe(`SELECT n FROM ${table} ORDER BY n`)

type Work = (client: MysqlClient, savepoint: Savepoint) => unknown

const query =
  (...statements: string[]): Work =>
  async (client) => {
    for (const statement of statements) await client.query(statement)
  }

const procedures = {
  ends_and_begins: 'BEGIN COMMIT; START TRANSACTION; END',
  ends_and_begins_with_rows: 'BEGIN SELECT 1; COMMIT; START TRANSACTION; SELECT 2; END',
  undoes_and_begins: 'BEGIN ROLLBACK; START TRANSACTION; END',
  ends_and_fails: "BEGIN COMMIT; START TRANSACTION; SIGNAL SQLSTATE '45000'; END",
  ends_and_deadlocks:
    "BEGIN COMMIT; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'; END",
  does_nothing: 'BEGIN SELECT 1; END',
  names_a_savepoint: 'BEGIN SAVEPOINT in_there; ROLLBACK TO in_there; END',
}

beforeAll(async () => {
  for (const [name, body] of Object.entries(procedures)) {
    await observe(`CREATE OR REPLACE PROCEDURE ${name}() ${body}`)
  }
})
afterAll(async () => {
  for (const name of Object.keys(procedures)) await observe(`DROP PROCEDURE ${name}`)
})

/** Ways to end a transaction and to start another, and whether the first one is committed. */
const endings: [by: string, Work, kept: boolean][] = [
  ['beginTransaction()', (client) => client.beginTransaction(), true],
  [
    'commit() and beginTransaction()',
    async (client) => {
      await client.commit()
      await client.beginTransaction()
    },
    true,
  ],
  [
    'rollback() and beginTransaction()',
    async (client) => {
      await client.rollback()
      await client.beginTransaction()
    },
    false,
  ],
  ['BEGIN', query('BEGIN'), true],
  ['BEGIN in lower case, with a comment', query('/* x */ begin work'), true],
  ['START TRANSACTION', query('START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT'), true],
  ['COMMIT AND CHAIN', query('COMMIT AND CHAIN'), true],
  ['ROLLBACK AND CHAIN', query('ROLLBACK WORK AND CHAIN NO RELEASE'), false],
  ['COMMIT; BEGIN in one text', query('COMMIT; BEGIN'), true],
  ['ROLLBACK; BEGIN in one text', query('SELECT 1; ROLLBACK; BEGIN; SELECT 2'), false],
  ['a savepoint and BEGIN in one text', query('SAVEPOINT a; BEGIN; SAVEPOINT a'), true],
  ['DDL; BEGIN in one text', query('DROP TABLE IF EXISTS never_there; BEGIN'), true],
  ['DDL and BEGIN', query('DROP TABLE IF EXISTS never_there', 'BEGIN'), true],
  ['a comment that is executed', query('/*!50000COMMIT AND CHAIN*/'), true],
  ['a comment that MariaDB executes', query('/*M!100000 BEGIN */'), true],
  ['a procedure', query('CALL ends_and_begins()'), true],
  ['a procedure with rows', query('call ends_and_begins_with_rows'), true],
  ['a procedure that rolls back', query('CALL undoes_and_begins()'), false],
  [
    'a procedure that fails',
    (client) => client.query('CALL ends_and_fails()').catch(() => undefined),
    true,
  ],
  ['a procedure after a savepoint by hand', query('SAVEPOINT a', 'CALL ends_and_begins()'), true],
  ['PREPARE and EXECUTE', query("PREPARE p FROM 'COMMIT AND CHAIN'", 'EXECUTE p'), true],
  ['EXECUTE IMMEDIATE', query("EXECUTE IMMEDIATE CONCAT('COM', 'MIT AND CHAIN')"), true],
  ['a prepared COMMIT', (client) => client.execute('COMMIT AND CHAIN'), true],
  ['a prepared CALL', (client) => client.execute('CALL ends_and_begins()'), true],
  [
    'a statement that it has prepared',
    async (client) => {
      const statement = await client.prepare('CALL ends_and_begins()')
      await statement.execute([])
    },
    true,
  ],
  ['raw values', (client) => client.query('?', [mysql.raw('COMMIT AND CHAIN')]), true],
  ['autocommit', query('SET autocommit = 0', 'SET autocommit = 1', 'BEGIN'), true],
  ['autocommit by another name', query('SET @@session.`autocommit` := 0, autocommit = ON'), true],
  [
    'autocommit and DDL',
    query(
      'SET SESSION autocommit = OFF',
      'ANALYZE TABLE ended_and_begun; SELECT * FROM ended_and_begun',
    ),
    true,
  ],
  ['a block', query('BEGIN NOT ATOMIC COMMIT; START TRANSACTION; END'), true],
  ['LOCK TABLES', query('LOCK TABLES ended_and_begun WRITE', 'UNLOCK TABLES', 'BEGIN'), true],
  [
    'resetConnection',
    async (client) => {
      await client.reset()
      await client.beginTransaction()
    },
    false,
  ],
  [
    'changeUser',
    async (client) => {
      await client.changeUser({})
      await client.beginTransaction()
    },
    false,
  ],
  [
    'statements that are not awaited',
    (client) => {
      client.query('COMMIT').catch(() => undefined)
      client.query('INSERT INTO ended_and_begun VALUES (3)').catch(() => undefined)
      client.query('BEGIN').catch(() => undefined)
    },
    true,
  ],
  ['a savepoint of ours', (_, savepoint) => savepoint(query('COMMIT; BEGIN')), true],
  [
    'a procedure in a savepoint of ours',
    (_, savepoint) => savepoint(query('SAVEPOINT b', 'CALL ends_and_begins()')),
    true,
  ],
  [
    'a savepoint of ours whose error is swallowed',
    (_, savepoint) => savepoint(query('CALL undoes_and_begins()')).catch(() => undefined),
    false,
  ],
]

const REFUSED = / and b|LOCK|^autocommit$|resetC|changeU|savepoint of ours$/i

describe.each(endings)(
  'work that ends its transaction by %s and starts another',
  (by, end, kept) => {
    const rows = kept ? [{ n: 1 }] : []
    const run = async (after: Work, options?: TransactionOptions) => {
      const connection = { ...connectionTo(), multipleStatements: true }
      const pool = openPool(connection, { max: 1, name: 'shop' })
      const ended = await table('ended_and_begun')
      let attempts = 0
      const error: unknown = await pool
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
      expect(await rowsOf(ended)).toEqual(rows)
      expect((await pool.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }])
      expect(attempts).toBe(1)
      return error as TransactionEndedError
    }

    test('rejects when it returns', async () => {
      const error = await run(() => undefined)
      expect(error).toBeInstanceOf(TransactionEndedError)
      expect(error).toMatchObject({ code: 'FORKSAFE_MYSQL_TRANSACTION_ENDED', pool: 'shop' })
    })

    test('rejects when it throws, with that as the cause, and is not retried', async () => {
      const mine = Object.assign(new Error('mine'), { errno: 1213 })
      const error = await run(
        () => {
          throw mine
        },
        { retries: 3 },
      )
      expect(error).toBeInstanceOf(TransactionEndedError)
      // `savepoint`, or a statement that was not sent, may have rejected with that error before.
      if (!REFUSED.test(by)) expect(error.cause).toBe(mine)
    })

    test('rejects when it throws in a savepoint', async () => {
      const error = await run((_, savepoint) =>
        savepoint(() => {
          throw new Error('mine')
        }),
      )
      expect(error).toBeInstanceOf(TransactionEndedError)
    })

    test('rejects when its signal aborts', async () => {
      const controller = new AbortController()
      const error = await run(
        async (client) => {
          const sleeping = client.query('SELECT SLEEP(60)')
          controller.abort(new Error('enough'))
          await sleeping
        },
        { signal: controller.signal },
      )
      expect(error).toBeInstanceOf(TransactionEndedError)
    })

    test('does not send its later statements', async () => {
      const error = await run(async (client) => {
        await client.query('INSERT INTO ended_and_begun VALUES (2)')
        await client.query('COMMIT')
      })
      expect(error).toBeInstanceOf(TransactionEndedError)
    })
  },
)

test('work that ends its transaction by a statement with a callback gets an error', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const ended = await table('ended_by_callback')
  const transaction = pool.transaction((client) => {
    client.connection.query('CALL ends_and_begins()', () => undefined)
    client.connection.query(`INSERT INTO ${ended} VALUES (1)`, () => undefined)
  })
  await expect(transaction).rejects.toThrow(TransactionEndedError)
  expect(await rowsOf(ended)).toEqual([])
})

test('an error thrown in a savepoint is the cause, if the transaction has ended in it', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const mine = new Error('mine')
  const transaction = pool.transaction((_, savepoint) =>
    savepoint(async (client) => {
      await client.query('CALL ends_and_begins()')
      throw mine
    }),
  )
  await expect(transaction).rejects.toThrow(TransactionEndedError)
  await expect(transaction).rejects.toMatchObject({ cause: mine })
})

test.each([
  ['that has read and locked', 'SELECT * FROM locked FOR UPDATE'],
  ['that has read', 'SELECT * FROM locked'],
  ['that has done nothing', 'DO 1'],
])('a transaction %s is ended by a procedure, too', async (_, statement) => {
  const pool = openPool(connectionTo(), { max: 1 })
  await table('locked')
  const ended = pool.transaction(async (client) => {
    await client.query(statement)
    await client.query('CALL ends_and_begins()')
  })
  await expect(ended).rejects.toThrow(TransactionEndedError)
})

describe('savepoints in SQL are allowed:', () => {
  const texts: [string, string[]][] = [
    ['plain', ['SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE SAVEPOINT a']],
    [
      'in lower case, in full',
      ['savepoint a', 'rollback work to savepoint a', 'release savepoint a'],
    ],
    [
      'with comments',
      ['/* x */ SAVEPOINT a', 'ROLLBACK /* COMMIT */ TO a', '# BEGIN\nRELEASE SAVEPOINT a'],
    ],
    ['executed comments', ['/*!50000SAVEPOINT a*/', 'ROLLBACK /*!50000 WORK */ TO a']],
    ['in one text', ['SAVEPOINT a; DO 1; ROLLBACK TO a; RELEASE SAVEPOINT a;']],
    ['in several texts', ['SAVEPOINT a', 'DO 1; ROLLBACK TO a', 'DO 1; RELEASE SAVEPOINT a']],
    [
      'around a procedure',
      ['SAVEPOINT a', 'CALL does_nothing()', 'ROLLBACK TO a', 'CALL names_a_savepoint()'],
    ],
    [
      'after a procedure',
      ['CALL does_nothing()', 'SAVEPOINT a', 'CALL does_nothing()', 'ROLLBACK TO a'],
    ],
    ['prepared', ["PREPARE p FROM 'SAVEPOINT a'", 'EXECUTE p', 'ROLLBACK TO a']],
    [
      'one over the other',
      ['SAVEPOINT a', 'SAVEPOINT b', 'ROLLBACK TO a', 'SAVEPOINT a', 'RELEASE SAVEPOINT a'],
    ],
    ['with autocommit off', ['SET autocommit = 0', 'SAVEPOINT a', 'DO 1; DO 2', 'ROLLBACK TO a']],
    ['with autocommit on', ['SET autocommit = 1', 'SET @@session.autocommit = 1']],
  ]

  test.each(texts)('%s', async (_, statements) => {
    const pool = openPool({ ...connectionTo(), multipleStatements: true }, { max: 1 })
    const kept = await table('kept_by_hand')
    await pool.transaction(async (client, savepoint) => {
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      for (const text of statements) await client.query(text)
      await client.query(`INSERT INTO ${kept} VALUES (2)`)
      await savepoint(async (client, savepoint) => {
        for (const text of statements) await client.query(text)
        await client.query(`INSERT INTO ${kept} VALUES (3)`)
        await savepoint(async (client) => {
          for (const text of statements) await client.query(text)
          throw new Error('mine')
        }).catch(() => undefined)
      })
      for (const text of statements) await client.query(text)
    })
    expect(await rowsOf(kept)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
  })

  test('prepared by the protocol, and after an error', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const kept = await table('kept_by_hand', 'n int PRIMARY KEY')
    await pool.transaction(async (client) => {
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      await client.execute('SAVEPOINT a')
      await expect(client.query(`INSERT INTO ${kept} VALUES (1)`)).rejects.toThrow('Duplicate')
      await client.execute('ROLLBACK TO SAVEPOINT a')
      await expect(client.query('CALL ends_it_not()')).rejects.toThrow('does not exist')
      await client.execute('RELEASE SAVEPOINT a')
    })
    expect(await rowsOf(kept)).toEqual([{ n: 1 }])
  })
})

test('a procedure that commits and then deadlocks is not retried, and its outcome is reported as unknown', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const kept = await table('kept_before_a_deadlock')
  let attempts = 0
  const transaction = pool.transaction(
    async (client) => {
      attempts++
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      await client.query('CALL ends_and_deadlocks()')
    },
    { retries: 3 },
  )
  await expect(transaction).rejects.toBeInstanceOf(CommitUnknownError)
  await expect(transaction).rejects.toMatchObject({ cause: { errno: 1213 } })
  expect(attempts).toBe(1)
})

test('if a connection is lost during a COMMIT in `work`, the outcome is reported as unknown', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
  const kept = await table('kept_and_lost')
  const transaction = pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${kept} VALUES (1)`)
    await proxy.hold({ direction: 'fromServer' })
    await client.commit()
  })
  const outcome = transaction.catch((error: unknown) => error)
  await expect.poll(() => rowsOf(kept)).toEqual([{ n: 1 }])
  await proxy.cut()
  expect(await outcome).toBeInstanceOf(CommitUnknownError)
})

test('work that ignores the end of its connection is reported as rolled back', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const lost = await table('lost_and_swallowed')
  const transaction = pool.transaction(async (client) => {
    await client.query(`INSERT INTO ${lost} VALUES (1)`)
    await client.query('KILL CONNECTION CONNECTION_ID()').catch(() => undefined)
  })
  const error: unknown = await transaction.catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Error)
  expect(error).not.toBeInstanceOf(CommitUnknownError)
  expect(error).not.toBeInstanceOf(TransactionEndedError)
  expect(await rowsOf(lost)).toEqual([])
})

test('after its signal has aborted, work sends nothing more', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const kept = await table('kept_after_abort')
  const controller = new AbortController()
  const refused: unknown[] = []
  let finish = (): void => undefined
  const transaction = pool.transaction(
    async (client) => {
      await client.query(`INSERT INTO ${kept} VALUES (1)`)
      controller.abort(new Error('enough'))
      await new Promise<void>((resolve) => (finish = resolve))
      const note = (error: unknown): void => void refused.push(error)
      await client.commit().catch(note)
      await client.execute('COMMIT').catch(note)
      await client.connection.query('COMMIT').stream().toArray().catch(note)
    },
    { signal: controller.signal },
  )
  await expect(transaction).rejects.toThrow('enough')
  finish()
  await expect.poll(() => pool.stats.idle).toBe(1)
  const reason = expect.objectContaining({ message: 'enough' }) as unknown
  expect(refused).toEqual([reason, reason, reason])
  expect(await rowsOf(kept)).toEqual([])
})

test('statements that are sent together do not run outside of a transaction that the server rolls back', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  const seen = await table('rolled_back_amid', 'n int PRIMARY KEY, v int')
  await observe(`INSERT INTO ${seen} VALUES (1, 0)`)
  const transaction = pool.transaction(async (client) => {
    await client.query('SET innodb_snapshot_isolation = ON')
    await client.query(`SELECT * FROM ${seen}`)
    await pool.query(`UPDATE ${seen} SET v = 1`)
    await Promise.allSettled([
      client.query(`UPDATE ${seen} SET v = v + 1`),
      client.query(`INSERT INTO ${seen} VALUES (2, 0)`),
      client.connection.query(`INSERT INTO ${seen} VALUES (3, 0)`).stream().toArray(),
      client.execute(`INSERT INTO ${seen} VALUES (4, 0)`),
    ])
  })
  await expect(transaction).rejects.toMatchObject({
    name: 'RolledBackError',
    cause: { errno: 1020 },
  })
  expect(await rowsOf(seen)).toEqual([{ n: 1 }])
})

describe('round trips of a transaction', () => {
  const sent = async (work: Work): Promise<string[]> => {
    const pool = openPool(connectionTo(), { max: 1 })
    const texts: string[] = []
    await pool.transaction(async (client, savepoint) => {
      const core = client.connection as unknown as {
        writePacket: (packet: { buffer: Buffer }) => void
      }
      const write = core.writePacket.bind(core)
      core.writePacket = (packet) => {
        texts.push(packet.buffer.toString('latin1', 4).replaceAll(/[^ -~]/g, ''))
        write(packet)
      }
      await work(client, savepoint)
    })
    return texts.slice(0, texts.indexOf('COMMIT') + 1)
  }

  test('an ordinary one sends its statements and COMMIT, and nothing else', async () => {
    const work: Work = async (client, savepoint) => {
      await client.query('SELECT ? AS n', ['please call me; then start: BEGIN'])
      await savepoint(query('DO 1'))
    }
    expect(await sent(work)).toEqual([
      "SELECT 'please call me; then start: BEGIN' AS n",
      'SAVEPOINT forksafe_1',
      'DO 1',
      'RELEASE SAVEPOINT forksafe_1',
      'COMMIT',
    ])
  })

  test('a procedure takes two more round trips', async () => {
    expect(await sent(query('CALL does_nothing()', 'DO 1'))).toEqual([
      'SAVEPOINT forksafe',
      'CALL does_nothing()',
      'RELEASE SAVEPOINT forksafe',
      'DO 1',
      'COMMIT',
    ])
  })

  test('savepoints in SQL take one more round trip', async () => {
    expect(await sent(query('SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE SAVEPOINT a'))).toEqual([
      'SAVEPOINT forksafe',
      'SAVEPOINT a',
      'ROLLBACK TO a',
      'RELEASE SAVEPOINT a',
      'COMMIT',
    ])
  })
})

test.each([
  ['SELECT 1', 'none'],
  ['INSERT INTO a VALUES (1)', 'none'],
  ['SET @a = 1', 'none'],
  ['UPDATE a SET b = 1; UPDATE a SET b = 2', 'none'],
  ['  Commit ;', 'ends'],
  ['start transaction read only, with consistent snapshot', 'ends'],
  ['ROLLBACK AND NO CHAIN RELEASE', 'ends'],
  ['rollback to a', 'names'],
  ['SAVEPOINT a', 'names'],
  ['RELEASE SAVEPOINT a', 'names'],
  ['BEGIN NOT ATOMIC COMMIT; END', 'may end'],
  ['SELECT 1; COMMIT', 'may end'],
  ['/*!50701COMMIT*/', 'may end'],
  ['set autocommit=1', 'may end'],
  ['CALL p', 'may end'],
  ["XA END 'a'", 'may end'],
])('%s', (sql, ending) => {
  expect(transactionEffectOf(sql, true)).toBe(ending)
  expect(transactionEffectOf(sql, false)).toBe(
    ending === 'none' && /^SET|;/.test(sql) ? 'may end' : ending,
  )
})

test('a COMMIT that could not be sent leaves the transaction as it is', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const mine = new Error('mine')
  const value = {
    toJSON() {
      throw mine
    },
  }
  const transaction = pool.transaction((client) => client.execute('COMMIT', [value as never]))
  await expect(transaction).rejects.toBe(mine)
})
