import { createHook } from 'node:async_hooks'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createForkSafePool } from '../src/index.ts'
import { createPool } from '../src/generic-pool/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { errorOf } from './support/time.ts'

interface Handle {
  readonly type: string
  readonly isActive: () => boolean
}

/** Runs `work`, and returns the types of the handles of this package that are active afterwards: `jest --detectOpenHandles`. */
async function openHandlesAfter(work: () => Promise<void>): Promise<string[]> {
  const handles = new Map<number, Handle>()
  const hook = createHook({
    init(id, type, _trigger, resource: { hasRef?(): boolean }) {
      if (type === 'PROMISE' || new Error().stack?.includes('/core/src/') !== true) return
      handles.set(id, { type, isActive: () => resource.hasRef?.() ?? true })
    },
    destroy: (id) => void handles.delete(id),
  })
  hook.enable()
  await work()
  await setTimeout(50)
  hook.disable()
  return [...handles.values()].filter(({ isActive }) => isActive()).map(({ type }) => type)
}

test('a closed pool leaves no handle behind', async () => {
  const handles = await openHandlesAfter(async () => {
    const driver = new FakeDriver({ hooks: ['validate', 'reset', 'watch', 'ref', 'unref'] })
    const pool = createForkSafePool<object, unknown, object>(driver, { connection: 'db', max: 1 })
    await pool.warmUp()
    await pool.use(async () => errorOf(pool.acquire({ timeoutMillis: 5 })))
    await pool.acquire()
    await pool.close({ deadlineMillis: 10 })
  })
  expect(handles).toEqual([])
})

test('a pool whose creates fail leaves no handle behind', async () => {
  const handles = await openHandlesAfter(async () => {
    const driver = new FakeDriver()
    driver.plans.create = 'reject'
    const pool = createForkSafePool<object, unknown, object>(driver, { connection: 'db' })
    await errorOf(pool.acquire({ timeoutMillis: 50 }))
    await pool.close()
  })
  expect(handles).toEqual([])
})

test("a drained pool of generic-pool's kind leaves no handle behind", async () => {
  const handles = await openHandlesAfter(async () => {
    const pool = createPool({ create: async () => ({}), destroy: async () => undefined })
    await pool.use(() => 1)
    await pool.drain()
    await pool.clear()
  })
  expect(handles).toEqual([])
})

test('the async context of a closed pool ends', async () => {
  const ended: number[] = []
  const begun: number[] = []
  const hook = createHook({
    init: (id, type) => void (type === 'ForkSafePool' && begun.push(id)),
    destroy: (id) => void ended.push(id),
  }).enable()
  const pool = createForkSafePool<object, unknown, object>(new FakeDriver(), { connection: 'db' })
  await pool.close()
  await setTimeout(10)
  hook.disable()
  expect(begun).toHaveLength(1)
  expect(ended).toContain(begun[0])
})
