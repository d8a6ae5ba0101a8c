import { createPool } from '@forksafe/core/generic-pool'
import { inChild } from '@forksafe/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { instrument, openPool, plan, valueOf } from './support.ts'

const COUNT = 'db.client.connection.count'
const idle = { 'db.client.connection.state': 'idle' }
const used = { 'db.client.connection.state': 'used' }

test('metrics have the names, units and attributes of the semantic conventions', async () => {
  const { collect } = instrument()
  const pool = openPool({ name: 'orders', min: 1, max: 2 })
  const first = await pool.acquire()
  await pool.acquire()
  await expect(pool.acquire({ timeoutMillis: 0 })).rejects.toThrow('no resource')
  first.release()
  const metrics = await collect()
  const units = [...metrics].map(([name, { descriptor }]) => [name, descriptor.unit])
  expect(Object.fromEntries(units)).toEqual({
    'db.client.connection.count': '{connection}',
    'db.client.connection.idle.max': '{connection}',
    'db.client.connection.idle.min': '{connection}',
    'db.client.connection.max': '{connection}',
    'db.client.connection.pending_requests': '{request}',
    'db.client.connection.timeouts': '{timeout}',
    'db.client.connection.create_time': 's',
    'db.client.connection.wait_time': 's',
    'db.client.connection.use_time': 's',
    'forksafe.permits': '{permit}',
    'forksafe.requests.in_flight': '{request}',
  })
  const values = [...metrics.keys()].map((name) => [name, valueOf(metrics, name, 'orders')])
  expect(Object.fromEntries(values)).toMatchObject({
    'db.client.connection.idle.max': 2,
    'db.client.connection.idle.min': 1,
    'db.client.connection.max': 2,
    'db.client.connection.pending_requests': 0,
    'db.client.connection.timeouts': 1,
    'db.client.connection.create_time': 2,
    'db.client.connection.wait_time': 2,
    'db.client.connection.use_time': 1,
  })
  expect(valueOf(metrics, COUNT, 'orders', idle)).toBe(1)
  expect(valueOf(metrics, COUNT, 'orders', used)).toBe(1)
})

test('pools that were created before, and pools inside drop-ins, are found', async () => {
  const before = openPool({ name: 'before' })
  await before.use(() => 1)
  const dropIn = createPool(
    { create: async () => ({}), destroy: async () => undefined },
    { name: 'drop-in', max: 3 },
  )
  onTestFinished(async () => {
    await dropIn.drain()
    await dropIn.clear()
  })
  const { collect } = instrument()
  const resource = await dropIn.acquire()
  const metrics = await collect()
  expect(valueOf(metrics, COUNT, 'before', idle)).toBe(1)
  expect(valueOf(metrics, COUNT, 'drop-in', used)).toBe(1)
  expect(valueOf(metrics, 'db.client.connection.max', 'drop-in')).toBe(3)
  expect(valueOf(metrics, 'db.client.connection.create_time', 'drop-in')).toBe(1)
  await dropIn.release(resource)
  expect(valueOf(await collect(), 'db.client.connection.use_time', 'drop-in')).toBe(1)
})

test('the numbers of pools with the same name are added', async () => {
  const { collect } = instrument()
  const pools = [openPool({ name: 'twin', max: 2 }), openPool({ name: 'twin', max: 3 })]
  await Promise.all(pools.map((pool) => pool.acquire()))
  const metrics = await collect()
  expect(valueOf(metrics, COUNT, 'twin', used)).toBe(2)
  expect(valueOf(metrics, 'db.client.connection.max', 'twin')).toBe(5)
  expect(valueOf(metrics, 'db.client.connection.wait_time', 'twin')).toBe(2)
})

test('a closed pool has no connections any more, and its counters stay', async () => {
  const { collect } = instrument()
  const pool = openPool({ name: 'closing', max: 1 })
  const lease = await pool.acquire()
  await expect(pool.acquire({ timeoutMillis: 0 })).rejects.toThrow('no resource')
  lease.release()
  expect(valueOf(await collect(), COUNT, 'closing', idle)).toBe(1)
  await pool.close()
  const metrics = await collect()
  expect(valueOf(metrics, COUNT, 'closing', idle)).toBe(0)
  expect(valueOf(metrics, 'db.client.connection.max', 'closing')).toBe(0)
  expect(valueOf(metrics, 'db.client.connection.timeouts', 'closing')).toBe(1)
  expect(valueOf(metrics, 'forksafe.destroys', 'closing', { 'forksafe.reason': 'close' })).toBe(1)
})

test('after a fork, each process reports its own connections, and no number is negative', async () => {
  const { collect } = instrument()
  const pool = openPool({ name: 'forked', max: 5 })
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  leases[0].release()
  await collect()
  const child = await inChild(async () => {
    const first = await collect()
    for (const lease of leases) lease[Symbol.dispose]()
    const lease = await pool.acquire()
    const second = await collect()
    lease.release()
    const all = [...second.values()].flatMap(({ dataPoints }) =>
      dataPoints.map(({ value }) => (typeof value === 'number' ? value : (value.sum ?? 0))),
    )
    return {
      inherited: [valueOf(first, COUNT, 'forked', idle), valueOf(first, COUNT, 'forked', used)],
      own: [valueOf(second, COUNT, 'forked', idle), valueOf(second, COUNT, 'forked', used)],
      discards: valueOf(second, 'forksafe.discards', 'forked'),
      changes: valueOf(second, 'forksafe.process_changes', 'forked', { 'forksafe.reason': 'fork' }),
      least: Math.min(...all),
    }
  })
  expect(child).toEqual({ inherited: [0, 0], own: [0, 1], discards: 3, changes: 1, least: 0 })
  const metrics = await collect()
  expect(valueOf(metrics, COUNT, 'forked', idle)).toBe(1)
  expect(valueOf(metrics, COUNT, 'forked', used)).toBe(2)
  expect(valueOf(metrics, 'forksafe.discards', 'forked')).toBeUndefined()
})

test('failed creates and leaks are counted', async () => {
  const { collect } = instrument()
  plan.create = async () => {
    throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  }
  onTestFinished(() => {
    plan.create = async () => undefined
  })
  const pool = openPool({ name: 'failing', leakDetectionMillis: 5 })
  await expect(pool.acquire({ timeoutMillis: 10 })).rejects.toThrow('refused')
  const error = { 'error.type': 'ECONNREFUSED' }
  expect(valueOf(await collect(), 'forksafe.create_failures', 'failing', error)).toBeGreaterThan(0)
  plan.create = async () => undefined
  await pool.acquire()
  await expect.poll(async () => valueOf(await collect(), 'forksafe.leaks', 'failing')).toBe(1)
})

test('nothing is measured once it is disabled', async () => {
  const { collect, disable } = instrument()
  const pool = openPool({ name: 'silent' })
  disable()
  disable()
  await pool.use(() => 1)
  const metrics = await collect()
  for (const name of metrics.keys()) expect(valueOf(metrics, name, 'silent')).toBeUndefined()
})

test('10,000 pools are collected', async () => {
  const { collect } = instrument()
  const pools = Array.from({ length: 10_000 }, () => openPool({ name: 'many', max: 1 }))
  await pools[0]?.acquire()
  const metrics = await collect()
  expect(valueOf(metrics, 'db.client.connection.max', 'many')).toBe(10_000)
  expect(valueOf(metrics, COUNT, 'many', used)).toBe(1)
})
