import { Pool } from '@forksafe/driver-pg'
import { inChild } from '@forksafe/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accounts, db } from '../src/typeorm.ts'
import { balanceIn, useAccounts } from './support/accounts.ts'

describe('TypeORM', () => {
  const pool = new Pool()
  useAccounts(pool, 'typeorm_accounts')
  beforeAll(async () => {
    await db.initialize()
  })
  afterAll(() => db.destroy())

  test('creates a pool of the given class', () => {
    expect(db.driver).toHaveProperty('master', expect.any(Pool))
  })

  test('commits a transaction', async () => {
    await db.transaction(async (manager) => {
      await manager.increment(accounts, { id: 1 }, 'balance', 10)
      expect(await balanceIn(pool, 'typeorm_accounts')).toBe(100)
    })
    expect(await balanceIn(pool, 'typeorm_accounts')).toBe(110)
  })

  test('rolls back a transaction', async () => {
    const failing = db.transaction(async (manager) => {
      await manager.increment(accounts, { id: 1 }, 'balance', 1_000)
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await balanceIn(pool, 'typeorm_accounts')).toBe(110)
  })

  test('continues a transaction while a child runs its own', async () => {
    await db.transaction(async (manager) => {
      const before: unknown = await manager.query('SELECT pg_backend_pid() AS pid')
      await manager.insert(accounts, { id: 2, owner: 'grace', balance: 0 })
      const child = await inChild(async () => {
        await db.transaction(async (own) => {
          await own.increment(accounts, { id: 1 }, 'balance', 5)
        })
        return db.query<unknown>('SELECT pg_backend_pid() AS pid')
      })
      const after: unknown = await manager.query('SELECT pg_backend_pid() AS pid')
      expect(after).toEqual(before)
      expect(after).not.toEqual(child)
    })
    expect(await db.getRepository(accounts).find({ order: { id: 'ASC' } })).toEqual([
      { id: 1, owner: 'ada', balance: 115 },
      { id: 2, owner: 'grace', balance: 0 },
    ])
  })
})
