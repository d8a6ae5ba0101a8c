import { type PostgresServer, startPostgres } from '@forksafe/scripts/postgres'
import { DatabaseError } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useOwnServer } from './support/own-server.ts'
import { openPool, type PgPool } from './support/pools.ts'

// A real standby, which follows its primary and is promoted.

const primary = useOwnServer({ tls: false })
let standby: PostgresServer
beforeAll(async () => {
  standby = await startPostgres({ own: true, standbyOf: primary().server })
})
afterAll(() => standby?.stop())

const connectionTo = ({ host, port, user, database }: PostgresServer) => ({
  host,
  port,
  user,
  database,
})

async function ask<T>(pool: PgPool, text: string): Promise<T | undefined> {
  const { rows } = await pool.query<{ answer: T }>(text)
  return rows[0]?.answer
}

test('a standby that is promoted goes on under the same pool, and so do the sessions that were open on it', async () => {
  let written = primary().server
  const writers = openPool(() => connectionTo(written), { max: 4 })
  const readers = openPool(connectionTo(standby), { max: 2 })
  await writers.query('CREATE TABLE kept (n int)')
  await writers.query('INSERT INTO kept VALUES (1)')
  await expect
    .poll(() => ask(readers, 'SELECT count(*)::int AS answer FROM kept').catch(() => undefined))
    .toBe(1)
  const refusing = await ask(readers, 'SELECT pg_backend_pid() AS answer')
  const refused = await readers
    .query('INSERT INTO kept VALUES (2)')
    .catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(DatabaseError)
  expect(refused).toMatchObject({ code: '25006' })
  // The next one may lead to another server.
  const session = await ask(readers, 'SELECT pg_backend_pid() AS answer')
  expect(session).not.toBe(refusing)

  await primary().server.stopServer('immediate')
  await expect.poll(() => writers.stats.size).toBe(0) // It has heard of it.
  const waiting = writers.query('INSERT INTO kept VALUES (3)')
  await expect.poll(() => writers.stats.waiting).toBe(1)
  expect(await ask(readers, 'SELECT pg_promote() AS answer')).toBe(true)
  written = standby
  writers.recycle()
  await waiting
  await readers.query('INSERT INTO kept VALUES (4)')
  expect(await ask(readers, 'SELECT pg_backend_pid() AS answer')).toBe(session)
  expect((await writers.query('SELECT n FROM kept ORDER BY n')).rows).toEqual([
    { n: 1 },
    { n: 3 },
    { n: 4 },
  ])
})
