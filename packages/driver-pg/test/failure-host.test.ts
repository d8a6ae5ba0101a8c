import { DatabaseError } from 'pg'
import { expect, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { openPool, type PgPool } from './support/pools.ts'

const first = useOwnServer({ tls: false })
const second = useOwnServer({ tls: false })

async function portOf(pool: PgPool): Promise<number | undefined> {
  const { rows } = await pool.query<{ port: number }>('SELECT inet_server_port() AS port')
  return rows[0]?.port
}

test('a change of host that was planned moves everybody, and nobody sees an error', async () => {
  let primary = first()
  const pool = openPool(() => primary.connection, { max: 4 })
  const { seen, stop } = startLoad(pool)
  await expect.poll(() => seen.right).toBeGreaterThan(100)
  primary = second()
  pool.recycle()
  // Whoever asks from now on is answered by the other one.
  expect(await portOf(pool)).toBe(second().server.port)
  const { right } = seen
  await expect.poll(() => seen.right - right).toBeGreaterThan(100)
  expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
})

test('a primary that was demoted refuses to write with 25006, and `recycle()` leaves it for the one that was promoted', async () => {
  let primary = first()
  const pool = openPool(() => primary.connection, { max: 2 })
  for (const { tell } of [first(), second()]) await tell('CREATE TABLE written (n int)')
  await pool.query('INSERT INTO written VALUES (1)')
  await first().tell('ALTER SYSTEM SET default_transaction_read_only = on')
  await first().tell('SELECT pg_reload_conf()')

  async function write(n: number): Promise<void> {
    await pool.query('INSERT INTO written VALUES ($1)', [n]).catch((error: unknown) => {
      if (!(error instanceof DatabaseError && error.code === '25006')) throw error
      primary = second()
      pool.recycle()
      return pool.query('INSERT INTO written VALUES ($1)', [n])
    })
  }
  await expect
    .poll(async () => {
      await write(2)
      return portOf(pool)
    })
    .toBe(second().server.port)
  expect((await pool.query('SELECT n FROM written')).rows).toEqual([{ n: 2 }])
})

test('a host that failed keeps those waiting who came, until `recycle()` tells of another', async () => {
  let primary = first()
  const pool = openPool(() => primary.connection, { max: 4 })
  const { seen, stop } = startLoad(pool)
  await expect.poll(() => seen.right).toBeGreaterThan(100)
  await first().server.stopServer('immediate')
  await expect.poll(() => pool.stats.waiting).toBe(12)
  const lost = seen.errors.length
  const { right } = seen
  primary = second()
  pool.recycle()
  await expect.poll(() => seen.right - right).toBeGreaterThan(100)
  const { wrong, errors } = await stop()
  expect(wrong).toBe(0)
  expect(lost).toBeGreaterThan(0)
  expect(errors).toHaveLength(lost)
  expect(await portOf(pool)).toBe(second().server.port)
})
