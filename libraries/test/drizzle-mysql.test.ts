import { inChild } from '@forksafe/testkit'
import { eq, sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { accounts, db, pool } from '../src/drizzle-mysql.ts'
import { balanceIn, sessionOf, useAccounts } from './support/mysql-accounts.ts'

type Transaction = Parameters<Parameters<typeof db.transaction>[0]>[0]

describe('Drizzle on MySQL', () => {
  useAccounts(pool, 'drizzle_accounts')

  const add = (amount: number, on: typeof db | Transaction): Promise<unknown> =>
    on
      .update(accounts)
      .set({ balance: sql`${accounts.balance} + ${amount}` })
      .where(eq(accounts.id, 1))

  test('commits a transaction', async () => {
    await db.transaction(async (tx) => {
      await add(10, tx)
      expect(await balanceIn(pool, 'drizzle_accounts')).toBe(100)
    })
    expect(await balanceIn(pool, 'drizzle_accounts')).toBe(110)
  })

  test('rolls back a transaction', async () => {
    const failing = db.transaction(async (tx) => {
      await add(1_000, tx)
      tx.rollback()
    })
    await expect(failing).rejects.toThrow('Rollback')
    expect(await balanceIn(pool, 'drizzle_accounts')).toBe(110)
  })

  test('continues a transaction while a child runs its own', async () => {
    const session = sql`SELECT CONNECTION_ID() AS id`
    await db.transaction(async (tx) => {
      const [before] = await tx.execute(session)
      await tx.insert(accounts).values({ id: 2, owner: 'grace', balance: 0 })
      const child = await inChild(async () => {
        await db.transaction(async (own) => add(5, own))
        return sessionOf(pool)
      })
      const [after] = await tx.execute(session)
      expect(after).toEqual(before)
      expect(after).not.toEqual([{ id: child }])
    })
    expect(await db.select().from(accounts).orderBy(accounts.id)).toEqual([
      { id: 1, owner: 'ada', balance: 115 },
      { id: 2, owner: 'grace', balance: 0 },
    ])
  })
})
