import { startMariadb } from '@forksafe/scripts/mariadb'
import type { PoolConnection as CallbackConnection } from 'mysql2'
import type { Pool, PoolConnection, PoolOptions } from 'mysql2/promise'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createPool } from '../src/index.ts'
import { openDropIn } from './support/drop-in.ts'
import { connectionTo, observe, openPool, rowOf, sessionId, table } from './support/pools.ts'

// A transaction that its holder left open is rolled back, however it began: by the server's status flags behind every result.

const open = (options: PoolOptions = {}): Pool =>
  openDropIn(createPool, { connectionLimit: 1, multipleStatements: true, ...options })

type Begin = (on: PoolConnection, name: string) => Promise<unknown>

const TEXT = 'START TRANSACTION'
const begins: Record<string, Begin> = {
  'two statements in one': (on, name) => on.query(`${TEXT}; UPDATE ${name} SET n = 2`),
  'three statements, of which one gives rows': (on, name) =>
    on.query(`${TEXT}; UPDATE ${name} SET n = 2; SELECT * FROM ${name}`),
  'rows first': async (on, name) => {
    await on.query(`SELECT 1; ${TEXT}`)
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  'an error behind it': async (on, name) => {
    const asked = on.query(`${TEXT}; UPDATE ${name} SET n = 2; SELEKT`)
    await expect(asked).rejects.toMatchObject({ errno: 1064 })
  },
  'a procedure': (on, name) => on.query(`CALL left_open_plain('${name}')`),
  'a procedure with rows': (on, name) => on.query(`CALL left_open_rows('${name}')`),
  'a procedure with rows, prepared': (on, name) => on.execute('CALL left_open_rows(?)', [name]),
  'a procedure that fails': async (on, name) => {
    const asked = on.query(`CALL left_open_failing('${name}')`)
    await expect(asked).rejects.toMatchObject({ errno: 1644 })
  },
  'a prepared BEGIN': async (on, name) => {
    await on.execute('BEGIN')
    await on.execute(`UPDATE ${name} SET n = 2`)
  },
  'a BEGIN that was prepared by hand': async (on, name) => {
    const statement = await on.prepare('BEGIN')
    await statement.execute([])
    await statement.close()
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  'a BEGIN that SQL prepared': async (on, name) => {
    await on.query("PREPARE s FROM 'BEGIN'")
    await on.query('EXECUTE s')
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  '`autocommit` off': async (on, name) => {
    await on.query('SET autocommit = 0')
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  '`autocommit` off, and rows that are locked': async (on, name) => {
    await on.query('SET autocommit = 0')
    await on.query(`SELECT * FROM ${name} FOR UPDATE`)
  },
  '`autocommit` off, and a statement that fails': async (on, name) => {
    await on.query('SET autocommit = 0')
    const asked = on.query(`INSERT INTO ${name} VALUES (1)`)
    await expect(asked).rejects.toMatchObject({ errno: 1062 })
  },
  '`autocommit` off in a procedure': async (on, name) => {
    await on.query('CALL left_open_autocommit()')
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  'a savepoint': async (on, name) => {
    await on.query(`${TEXT}; SAVEPOINT a; UPDATE ${name} SET n = 2; SAVEPOINT b`)
    await on.query('ROLLBACK TO SAVEPOINT b')
  },
  'another one that was committed': async (on, name) => {
    await on.query(`${TEXT}; SELECT 1; COMMIT AND CHAIN`)
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  'an XA transaction': async (on, name) => {
    await on.query("XA START 'left open'")
    await on.query(`UPDATE ${name} SET n = 2`)
  },
  'an XA transaction that has ended': async (on, name) => {
    await on.query(`XA START 'left open'; UPDATE ${name} SET n = 2; XA END 'left open'`)
  },
  '`autocommit` off and locked tables': async (on, name) => {
    await on.query(`SET autocommit = 0; LOCK TABLES ${name} WRITE`)
    await on.query(`UPDATE ${name} SET n = 2`)
  },
}

beforeAll(async () => {
  const update = "EXECUTE IMMEDIATE CONCAT('UPDATE ', name, ' SET n = 2');"
  for (const [name, body] of [
    ['left_open_plain(name text)', `${TEXT}; ${update}`],
    ['left_open_rows(name text)', `${TEXT}; ${update} SELECT 1 AS one; SELECT 2 AS two;`],
    [
      'left_open_failing(name text)',
      `${TEXT}; ${update} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose';`,
    ],
    ['left_open_autocommit()', 'SET autocommit = 0;'],
  ] as const) {
    await observe(`CREATE OR REPLACE PROCEDURE ${name} BEGIN ${body} END`)
  }
})

describe.each(Object.entries(begins))('a transaction begun by %s', (what, begin) => {
  const name = `left_open_${Object.keys(begins).indexOf(what)}`
  const filled = async (): Promise<string> => {
    await table(name, 'n int PRIMARY KEY')
    await observe(`INSERT INTO ${name} VALUES (1)`)
    return name
  }

  test('is not committed by the next holder, and locks nothing', async () => {
    const pool = open()
    await filled()
    const connection = await pool.getConnection()
    await begin(connection, name)
    connection.release()
    const next = await pool.getConnection()
    const { open: isOpen } = await rowOf<{ open: number }>(next, 'SELECT @@in_transaction AS open')
    expect(isOpen).toBe(0)
    await next.beginTransaction()
    await next.commit()
    expect(await rowOf(next, 'SELECT @@autocommit AS autocommit')).toEqual({ autocommit: 1 })
    expect(await observe(`SELECT * FROM ${name} WHERE n = 2`)).toEqual([])
    await observe(`UPDATE ${name} SET n = 3`)
    await next.query('SELECT 1')
    next.release()
  })

  test('is not committed either if nobody waits for its answers before the release', async () => {
    const pool = open()
    await filled()
    const connection = await pool.getConnection()
    const began = begin(connection, name).catch(() => undefined)
    connection.release()
    await began
    await pool.query('COMMIT')
    expect(await observe(`SELECT * FROM ${name} WHERE n = 2`)).toEqual([])
  })

  test('nor in the pool of the driver', async () => {
    const pool = openPool({ ...connectionTo(), multipleStatements: true }, { max: 1 })
    await filled()
    await pool.use((client) => begin(client as unknown as PoolConnection, name))
    expect(await rowOf(pool, 'SELECT @@in_transaction AS open, @@autocommit AS auto')).toEqual({
      open: 0,
      auto: 1,
    })
    await pool.query('COMMIT')
    await observe(`UPDATE ${name} SET n = 3 WHERE n = 1`)
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([{ n: 3 }])
  })
})

test('callbacks make no difference', async () => {
  const { pool } = open()
  const name = await table('left_open_callbacks')
  await new Promise<void>((resolve) => {
    pool.getConnection((_, connection: CallbackConnection) => {
      connection.query(`${TEXT}; INSERT INTO ${name} VALUES (1); SELECT 1`, () => {
        connection.release()
        resolve()
      })
    })
  })
  await pool.promise().query('COMMIT')
  expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
})

describe('`autocommit` that is off', () => {
  test('by a `connection` listener stays off, and the transactions are rolled back', async () => {
    const pool = open()
    pool.on('connection', (connection) => void connection.query('SET autocommit = 0'))
    const name = await table('left_open_listener')
    const id = await sessionId(pool)
    for (const _ of [1, 2]) {
      const connection = await pool.getConnection()
      await connection.query(`INSERT INTO ${name} VALUES (1)`)
      connection.release()
      const auto = await rowOf(pool, 'SELECT @@autocommit AS auto, @@in_transaction AS open')
      expect(auto).toEqual({ auto: 0, open: 0 })
    }
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
    expect(await sessionId(pool)).toBe(id)
  })

  test.each([{ autocommit: '0' }, { init_connect: 'SET autocommit = 0' }])(
    'by the server (%o) stays off, unless a holder switches it on',
    async (settings) => {
      const server = await startMariadb({ own: true, tls: false, settings })
      onTestFinished(() => server.stop())
      const { host, port, database, user } = server
      const connection = { host, port, database, user: 'app' }
      const root = openDropIn(createPool, { host, port, user })
      // `init_connect` is not for those who may do everything.
      await root.query('CREATE USER app')
      await root.query(`GRANT ALL ON ${database}.* TO app`)
      await root.query('COMMIT')
      const pool = open(connection)
      const asked = 'SELECT @@autocommit AS auto, @@in_transaction AS open'
      await pool.query('CREATE TABLE off (n int)')
      await pool.query('INSERT INTO off VALUES (1)')
      expect(await rowOf(pool, asked)).toEqual({ auto: 0, open: 0 })
      await pool.query('SET autocommit = 1')
      expect(await rowOf(pool, asked)).toEqual({ auto: 0, open: 0 })
      expect((await pool.query('SELECT * FROM off'))[0]).toEqual([])
      const own = openPool(connection, { max: 1 })
      await own.query('INSERT INTO off VALUES (1)')
      expect(await rowOf(own, asked)).toEqual({ auto: 0, open: 0 })
      // A reset of the session restores what the server has, and does not repeat itself.
      await own.query('SET autocommit = 1')
      const sets = async (): Promise<unknown> =>
        rowOf(root, "SHOW GLOBAL STATUS LIKE 'Com_set_option'")
      ;(await own.acquire()).release()
      const before = await sets()
      for (const _ of [1, 2, 3]) (await own.acquire()).release()
      expect(await sets()).toEqual(before)
    },
  )
})
