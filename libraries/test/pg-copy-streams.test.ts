import { inChild } from '@forksafe/testkit'
import { from as copyFrom } from 'pg-copy-streams'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { load, pool } from '../src/pg-copy-streams.ts'
import { sessionOf } from './support/accounts.ts'

describe('pg-copy-streams', () => {
  beforeAll(async () => {
    await pool.query('CREATE TABLE copied_accounts (id int PRIMARY KEY, owner text)')
  })
  afterAll(() => pool.end())

  const owners = async (): Promise<unknown[]> =>
    (await pool.query('SELECT owner FROM copied_accounts ORDER BY id')).rows.map(
      ({ owner }: { owner: string }) => owner,
    )

  test('copies all rows', async () => {
    await load([
      [1, 'ada'],
      [2, 'grace'],
    ])
    expect(await owners()).toEqual(['ada', 'grace'])
    expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
  })

  test('copies no row if a line is rejected, and the connection remains usable', async () => {
    await expect(
      load([
        [3, 'edsger'],
        [1, 'twice'],
      ]),
    ).rejects.toMatchObject({ code: '23505' })
    expect(await owners()).toEqual(['ada', 'grace'])
  })

  test('continues a COPY in a transaction while a child runs its own', async () => {
    const client = await pool.connect()
    await client.query('BEGIN')
    const copy = client.query(copyFrom('COPY copied_accounts (id, owner) FROM STDIN'))
    // The COPY fails in the child, where an error without a listener would be fatal.
    const copied = new Promise((resolve, reject) => copy.on('finish', resolve).on('error', reject))
    copy.write('4\tbarbara\n')
    const child = await inChild(async () => {
      await expect(copied).rejects.toThrow('Connection terminated unexpectedly')
      await load([[5, 'donald']])
      return sessionOf(pool)
    })
    copy.end('6\talan\n')
    await copied
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    expect(rows).not.toEqual([{ pid: child }])
    await client.query('COMMIT')
    client.release()
    expect(await owners()).toEqual(['ada', 'grace', 'barbara', 'donald', 'alan'])
  })
})
