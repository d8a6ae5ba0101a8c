import type { Pool } from '@forksafe/driver-pg'
import { inChild } from '@forksafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { sessionOf } from './accounts.ts'

/** The tests of a library that reads a long result in pieces. */
export function testStreaming(
  library: string,
  pool: Pool,
  sum: (count: number) => Promise<number>,
): void {
  describe(`a long result through ${library}`, () => {
    afterAll(() => pool.end())

    test('is read to the end, and the connection is released', async () => {
      expect(await sum(10_000)).toBe(50_005_000)
      expect(await sum(10)).toBe(55)
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 })
    })

    test.each(['COMMIT', 'ROLLBACK'])(
      'is read beside a transaction that ends with %s',
      async (end) => {
        const client = await pool.connect()
        await client.query('BEGIN')
        await client.query('CREATE TEMPORARY TABLE streamed () ON COMMIT DROP')
        expect(await sum(10)).toBe(55)
        await client.query(end)
        client.release()
        expect(pool.idleCount).toBe(2)
      },
    )

    test('is read in the parent while a child reads its own', async () => {
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
