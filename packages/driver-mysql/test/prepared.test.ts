import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import type { Connection as CallbackConnection } from 'mysql2'
import { type Connection, createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPool, type MysqlClient } from '../src/index.ts'
import { openDropIn } from './support/drop-in.ts'
import { connectionTo, openPool, sessionId } from './support/pools.ts'
import { untyped } from '../src/internals.ts'

/** Makes the server forget every statement behind mysql2's back, as a proxy does that changes servers. */
async function forget(client: MysqlClient): Promise<void> {
  const core = untyped(client.connection) as unknown as {
    _statements: { values(): Iterable<{ id: number; close(): unknown }> }
  }
  for (const statement of core._statements.values()) statement.close()
  await client.ping()
}

describe('a statement that the server does not know any more (1243)', () => {
  test('is prepared again by `pool.execute`', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const id = await sessionId(pool)
    await pool.execute('SELECT ? AS n', [1])
    await pool.use((client) => forget(client))
    for (const n of [2, 3]) expect((await pool.execute('SELECT ? AS n', [n]))[0]).toEqual([{ n }])
    expect(await sessionId(pool)).toBe(id)
  })

  test('keeps its place among the statements of a holder, in a transaction too', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const answers = await pool.transaction(async (client) => {
      await client.execute('SELECT ? AS n, @at := ?', [0, 0])
      await forget(client)
      const running = [
        client.execute('SELECT ? AS n, @at := ?', [1, 1]),
        client.query('SELECT @at AS n'),
        client.execute('SELECT ? AS n, @at := ?', [2, 2]),
        client.query('SELECT @at AS n'),
      ]
      return Promise.all(
        running.map(async (answer) => ((await answer)[0] as { n: number }[])[0]?.n),
      )
    })
    expect(answers).toEqual([1, 1, 2, 2])
  })

  test('is prepared again by a connection of the drop-in', async () => {
    const pool = openDropIn(createPool, { connectionLimit: 1 })
    await pool.execute('SELECT ? AS n', [1])
    const held = await pool.getConnection()
    await forget(held as unknown as MysqlClient)
    held.release()
    expect((await pool.execute('SELECT ? AS n', [2]))[0]).toEqual([{ n: 2 }])
    // Without a callback.
    const again = await pool.getConnection()
    await forget(again as unknown as MysqlClient)
    const rows: unknown[] = []
    const { connection } = again as unknown as { connection: CallbackConnection }
    await new Promise((resolve) =>
      connection
        .execute('SELECT ? AS n', [3])
        .on('result', (row: unknown) => rows.push(row))
        .on('end', () => resolve(undefined)),
    )
    expect(rows).toEqual([{ n: 3 }])
    again.release()
  })

  test('is an error for a holder that closed it itself and goes on using it', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    await pool.use(async (client) => {
      const statement = await client.prepare('SELECT ? AS n')
      await statement.close()
      await expect(statement.execute([1])).rejects.toMatchObject({ errno: 1243 })
      expect((await client.execute('SELECT ? AS n', [2]))[0]).toEqual([{ n: 2 }])
    })
  })
})

describe('a server with too many prepared statements (1461)', () => {
  let server: MariadbServer
  let root: Connection
  let to: ReturnType<typeof connectionTo>
  beforeAll(async () => {
    server = await startMariadb({ own: true, tls: false })
    const { host, port, user, password, database } = server
    to = { host, port, user, database, ...(password === undefined ? {} : { password }) }
    root = await createConnection(to)
  })
  afterAll(async () => {
    await root.end()
    await server.stop()
  })

  const limit = (count: number): Promise<unknown> =>
    root.query('SET GLOBAL max_prepared_stmt_count = ?', [count])

  test('gets the statements of the connection closed', async () => {
    const pool = openPool(to, { max: 1 })
    await limit(3)
    for (let n = 0; n < 10; n++) {
      expect((await pool.execute(`SELECT ? AS n, ${n}`, [n]))[0]).toMatchObject([{ n }])
    }
  })

  test('and those of the pool’s other connections, idle or not', async () => {
    const pool = openPool(to, { max: 4 })
    await limit(2)
    const asked = Array.from(
      { length: 30 },
      async (_, n) => (await pool.execute(`SELECT ? AS n, ${n}`, [n]))[0],
    )
    expect((await Promise.all(asked)).map(([row]) => row?.['n'])).toEqual(
      Array.from({ length: 30 }, (_, n) => n),
    )
    expect(pool.stats.borrowed).toBe(0)
  })

  test('keeps statements that a holder prepared, and their order', async () => {
    const pool = openPool(to, { max: 1 })
    await limit(2)
    await pool.use(async (client) => {
      const mine = await client.prepare('SELECT ? AS mine')
      const running = [1, 2, 3].flatMap((n) => [
        client.execute(`SELECT @at := ? AS n, ${n}`, [n]),
        client.query('SELECT @at AS n'),
      ])
      const answers = await Promise.all(running)
      expect(answers.map(([rows]) => (rows as { n: number }[])[0]?.n)).toEqual([1, 1, 2, 2, 3, 3])
      expect((await mine.execute([4]))[0]).toEqual([{ mine: 4 }])
    })
  })

  test('refuses a statement for which there is no room at all, and the connection stays', async () => {
    const pool = openPool(to, { max: 1 })
    const id = await sessionId(pool)
    await limit(0)
    await expect(pool.execute('SELECT ?', [1])).rejects.toMatchObject({ errno: 1461 })
    expect(await sessionId(pool)).toBe(id)
  })

  test('gets the statements of a connection of the drop-in closed', async () => {
    const pool = openDropIn(createPool, { ...to, connectionLimit: 1 })
    await limit(3)
    for (let n = 0; n < 10; n++) {
      expect((await pool.execute(`SELECT ? AS n, ${n}`, [n]))[0]).toMatchObject([{ n }])
    }
  })
})
