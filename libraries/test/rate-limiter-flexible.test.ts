import { inChild } from '@forksafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { limiter, pool } from '../src/rate-limiter-flexible.ts'
import { sessionOf } from './support/accounts.ts'

describe('rate-limiter-flexible', () => {
  afterAll(() => pool.end())

  test('counts, and rejects beyond the limit', async () => {
    expect(await limiter.consume('ada', 2)).toMatchObject({ consumedPoints: 2, remainingPoints: 1 })
    await expect(limiter.consume('ada', 2)).rejects.toMatchObject({ consumedPoints: 4 })
  })

  test('continues to count after a transaction that was rolled back', async () => {
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query('DELETE FROM rate_limits')
    await client.query('ROLLBACK')
    expect(await limiter.get('ada')).toMatchObject({ consumedPoints: 4 })
    await client.query('BEGIN')
    await client.query('DELETE FROM rate_limits')
    await client.query('COMMIT')
    client.release()
    expect(await limiter.get('ada')).toBeNull()
  })

  test('counts for parent and child together, on a connection for each', async () => {
    const parent = await sessionOf(pool)
    await limiter.consume('grace')
    const child = await inChild(async () => {
      const { consumedPoints } = await limiter.consume('grace')
      return { consumedPoints, session: await sessionOf(pool) }
    })
    expect(child.consumedPoints).toBe(2)
    expect(child.session).not.toBe(parent)
    expect(await limiter.consume('grace')).toMatchObject({ consumedPoints: 3 })
  })
})
