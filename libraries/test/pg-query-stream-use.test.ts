import { afterAll, expect, test } from 'vitest'
import { pool, sum } from '../src/pg-query-stream-use.ts'

afterAll(() => pool.close())

test('a stream through `use` reads to the end, and its connection serves the next', async () => {
  expect(await sum(10_000)).toBe(50_005_000)
  expect(await sum(10)).toBe(55)
  expect(pool.stats).toMatchObject({ size: 1, idle: 1 })
})
