import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import type { ConnectionOptions } from 'mysql2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPool, type MysqlClient } from '../src/index.ts'
import { openDropIn } from './support/drop-in.ts'
import { openPool, rowOf, sessionId } from './support/pools.ts'

// The server answers a packet that is larger than `max_allowed_packet` with an error, and closes the connection: or the
// connection is reset before the error can be read.

const LIMIT = 1024 * 1024
let server: MariadbServer

beforeAll(async () => {
  server = await startMariadb({ own: true, settings: { max_allowed_packet: String(LIMIT) } })
})
afterAll(() => server.stop())

const connection = (): ConnectionOptions => {
  const { host, port, user, database } = server
  return { host, port, user, database }
}

/** Above the limit by a byte, by a lot, and in more than one piece of the protocol. */
const sizes = [LIMIT, 4 * LIMIT, 20 * LIMIT]
const tooLarge = /ER_NET_PACKET_TOO_LARGE|ECONNRESET|EPIPE|PROTOCOL_CONNECTION_LOST/
const refused = expect.stringMatching(tooLarge) as string
const known = expect.stringMatching(/_(?:ROLLED_BACK|LEASE_RELEASED)$/) as string

type Verb = 'query' | 'execute' | 'prepare'
const ask = (verb: Verb, on: Pick<MysqlClient, 'query' | 'execute'>, size: number) => {
  const text = 'x'.repeat(size)
  if (verb === 'prepare') return on.execute(`SELECT '${text}'`)
  const sql = 'SELECT LENGTH(?) AS n'
  return verb === 'query' ? on.query(sql, [text]) : on.execute(sql, [text])
}

describe.each(['query', 'execute', 'prepare'] as const)('a `%s` that is too large', (verb) => {
  test.each([undefined, true])(
    'does not disturb the next callers (compress: %s)',
    async (compress) => {
      const options = compress === undefined ? {} : { compress }
      const pool = openPool({ ...connection(), ...options }, { max: 1 })
      for (const size of [...sizes, ...sizes, ...sizes]) {
        const id = await sessionId(pool)
        await expect(ask(verb, pool, size)).rejects.toMatchObject({
          code: expect.stringMatching(tooLarge) as string,
        })
        expect(await rowOf(pool, 'SELECT 7 AS n')).toEqual({ n: 7 })
        expect(await sessionId(pool)).not.toBe(id)
      }
    },
  )

  test('does not disturb the next callers of the drop-in', async () => {
    const pool = openDropIn(createPool, { ...connection(), connectionLimit: 1 })
    for (const size of [...sizes, ...sizes]) {
      const id = await sessionId(pool)
      await expect(ask(verb, pool, size)).rejects.toMatchObject({ code: refused })
      expect(await sessionId(pool)).not.toBe(id)
      const lent = await pool.getConnection()
      await expect(ask(verb, lent, size)).rejects.toMatchObject({ code: refused })
      lent.release()
      expect(await rowOf(pool, 'SELECT 7 AS n')).toEqual({ n: 7 })
    }
  })

  test('rolls back its transaction, and reports a known outcome', async () => {
    const pool = openPool(connection(), { max: 1 })
    await pool.query('CREATE OR REPLACE TABLE too_large (n int)')
    for (const size of [...sizes, ...sizes, ...sizes]) {
      const transaction = pool.transaction(async (client) => {
        await client.query('INSERT INTO too_large VALUES (1)')
        await expect(ask(verb, client, size)).rejects.toMatchObject({ code: refused })
      })
      await expect(transaction).rejects.toMatchObject({ code: known })
      await expect(
        pool.transaction(async (client) => {
          await client.query('INSERT INTO too_large VALUES (1)')
          await ask(verb, client, size)
        }),
      ).rejects.toMatchObject({ code: refused })
      expect((await pool.query('SELECT * FROM too_large'))[0]).toEqual([])
    }
  })
})

test('a server that closes the connection after an error of another kind is not sent a COMMIT', async () => {
  const pool = openPool(connection(), { max: 2 })
  await pool.query('CREATE OR REPLACE TABLE killed (n int)')
  const transaction = pool.transaction(async (client) => {
    const id = await sessionId(client)
    await client.query('INSERT INTO killed VALUES (1)')
    const asked = client.query('SELECT SLEEP(60)').catch((error: unknown) => error)
    await pool.query(`KILL ${id}`)
    expect(await asked).toBeInstanceOf(Error)
  })
  await expect(transaction).rejects.toMatchObject({ code: known })
  expect((await pool.query('SELECT * FROM killed'))[0]).toEqual([])
})
