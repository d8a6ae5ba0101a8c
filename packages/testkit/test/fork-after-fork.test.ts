import { createForkSafePool, defineDriver } from '@forksafe/core'
import { expect, test } from 'vitest'
import { inChild } from '../src/index.ts'

/** Opens a pool with one idle resource, and records what is discarded. */
async function warmPool() {
  const discarded: object[] = []
  const driver = defineDriver({
    name: 'plain',
    create: () => Promise.resolve({}),
    destroy: () => undefined,
    discard: (resource: object) => void discarded.push(resource),
  })
  const pool = createForkSafePool(driver, { connection: undefined, min: 0 })
  await pool.use(() => undefined)
  return { pool, discarded }
}

test('pools discard inherited resources before the work begins', async () => {
  const { pool, discarded } = await warmPool()
  expect(await inChild(() => discarded.length)).toBe(1)
  expect(discarded).toEqual([])
  await pool.close()
})

test('with `afterFork: false`, `afterFork()` is not called', async () => {
  const { pool, discarded } = await warmPool()
  expect(await inChild(() => discarded.length, { afterFork: false })).toBe(0)
  await pool.close()
})
