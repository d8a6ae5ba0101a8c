import type { Pool } from '@forksafe/driver-pg'
import { inChild } from '@forksafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { sessionOf } from './accounts.ts'

/** What is to be shown of a library that reads a long answer a piece at a time. */
export function testStreaming(
  library: string,
  pool: Pool,
  sum: (count: number) => Promise<number>,
): void {
  describe(`a long answer through ${library}`, () => {
    afterAll(() => pool.end())

    test('reads to the end, and gives the connection back for the next', async () => {
      expect(await sum(10_000)).toBe(50_005_000)
      expect(await sum(10)).toBe(55)
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test.each(['COMMIT', 'ROLLBACK'])('reads beside a transaction that ends in %s', async (end) => {
      const client = await pool.connect()
      await client.query('BEGIN')
      await client.query('CREATE TEMPORARY TABLE streamed () ON COMMIT DROP')
      expect(await sum(10)).toBe(55)
      await client.query(end)
      client.release()
      expect(pool.idleCount).toBe(2)
    })

    test('reads on in the parent while a child reads what is its own', async () => {
      const parent = await sessionOf(pool)
      const reading = sum(100_000)
      const child = await inChild(async () => ({
        sum: await sum(1_000),
        session: await sessionOf(pool),
      }))
      expect(child.sum).toBe(500_500)
      expect(child.session).not.toBe(parent)
      expect(await reading).toBe(5_000_050_000)
    })
  })
}
