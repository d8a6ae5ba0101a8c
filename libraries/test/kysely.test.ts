import { inChild } from '@forksafe/testkit'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { balanceIn, sessionOf, useAccounts } from './support/accounts.ts'
import { describeSince } from './support/lines.ts'

describeSince([22, 0], 'Kysely', async () => {
  const { db, pool } = await import('../src/kysely.ts')
  useAccounts(pool, 'kysely_accounts')

  const add = (amount: number, trx: typeof db = db): Promise<unknown> =>
    trx
      .updateTable('kysely_accounts')
      .set((e) => ({ balance: e('balance', '+', amount) }))
      .where('id', '=', 1)
      .execute()

  test('commits a transaction', async () => {
    await db.transaction().execute(async (trx) => {
      await add(10, trx)
      expect(await balanceIn(pool, 'kysely_accounts')).toBe(100)
    })
    expect(await balanceIn(pool, 'kysely_accounts')).toBe(110)
  })

  test('rolls back a transaction', async () => {
    const failing = db.transaction().execute(async (trx) => {
      await add(1_000, trx)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await balanceIn(pool, 'kysely_accounts')).toBe(110)
  })

  test('continues a transaction while a child runs its own', async () => {
    await db.transaction().execute(async (trx) => {
      const before = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(trx)
      await sql`INSERT INTO kysely_accounts VALUES (2, 'grace', 0)`.execute(trx)
      const child = await inChild(async () => {
        await db.transaction().execute(async (own) => add(5, own))
        return sessionOf(pool)
      })
      const after = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(trx)
      expect(after.rows).toEqual(before.rows)
      expect(after.rows).not.toEqual([{ pid: child }])
    })
    expect(await db.selectFrom('kysely_accounts').selectAll().orderBy('id').execute()).toEqual([
      { id: 1, owner: 'ada', balance: 115 },
      { id: 2, owner: 'grace', balance: 0 },
    ])
  })

  test('ends the pool', async () => {
    await db.destroy()
    expect(pool.ended).toBe(true)
  })
})
