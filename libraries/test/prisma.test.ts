import { inChild } from '@forksafe/testkit'
import { describe, expect, test } from 'vitest'
import { pool, prisma } from '../src/prisma.ts'
import { balanceIn, sessionOf, useAccounts } from './support/accounts.ts'

describe('Prisma', () => {
  useAccounts(pool, 'prisma_accounts')

  const adding = (amount: number) => ({
    where: { id: 1 },
    data: { balance: { increment: amount } },
  })

  test('commits a transaction', async () => {
    await prisma.$transaction(async (tx) => {
      await tx.account.update(adding(10))
      expect(await balanceIn(pool, 'prisma_accounts')).toBe(100)
    })
    expect(await balanceIn(pool, 'prisma_accounts')).toBe(110)
  })

  test('rolls back a transaction', async () => {
    const failing = prisma.$transaction(async (tx) => {
      await tx.account.update(adding(1_000))
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await balanceIn(pool, 'prisma_accounts')).toBe(110)
  })

  test('continues a transaction while a child runs its own', async () => {
    await prisma.$transaction(async (tx) => {
      const before = await tx.$queryRaw`SELECT pg_backend_pid() AS pid`
      await tx.account.create({ data: { id: 2, owner: 'grace', balance: 0 } })
      const child = await inChild(async () => {
        await prisma.$transaction(async (own) => {
          await own.account.update(adding(5))
        })
        return sessionOf(pool)
      })
      const after = await tx.$queryRaw`SELECT pg_backend_pid() AS pid`
      expect(after).toEqual(before)
      expect(after).not.toEqual([{ pid: child }])
    })
    expect(await prisma.account.findMany({ orderBy: { id: 'asc' } })).toEqual([
      { id: 1, owner: 'ada', balance: 115 },
      { id: 2, owner: 'grace', balance: 0 },
    ])
  })

  test('does not end the pool', async () => {
    await prisma.$disconnect()
    expect(pool.ending).toBe(false)
  })
})
