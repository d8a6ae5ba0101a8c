import { createPool } from '@forksafe/driver-mysql'
import { inChild } from '@forksafe/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accounts, db } from '../src/typeorm-mysql.ts'
import { balanceIn, useAccounts } from './support/mysql-accounts.ts'

describe('TypeORM on MySQL', () => {
  const pool = createPool({ uri: process.env['MYSQL_URL'] ?? '' })
  useAccounts(pool, 'typeorm_accounts')
  beforeAll(async () => {
    await db.initialize()
  })
  afterAll(() => db.destroy())

  test('creates its pool with the given options', () => {
    expect(Reflect.get(db.driver, 'pool')?.constructor).toBe(pool.pool.constructor)
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
      const before: unknown = await manager.query('SELECT CONNECTION_ID() AS id')
      await manager.insert(accounts, { id: 2, owner: 'grace', balance: 0 })
      const child = await inChild(async () => {
        await db.transaction(async (own) => {
          await own.increment(accounts, { id: 1 }, 'balance', 5)
        })
        return db.query<unknown>('SELECT CONNECTION_ID() AS id')
      })
      const after: unknown = await manager.query('SELECT CONNECTION_ID() AS id')
      expect(after).toEqual(before)
      expect(after).not.toEqual(child)
    })
    expect(await db.getRepository(accounts).find({ order: { id: 'ASC' } })).toEqual([
      { id: 1, owner: 'ada', balance: 115 },
      { id: 2, owner: 'grace', balance: 0 },
    ])
  })
})
