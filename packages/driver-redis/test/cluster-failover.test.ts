import { expect, test } from 'vitest'
import { openClusterPool, startOwnCluster } from './support/clusters.ts'
import { startLoad } from './support/load.ts'
import { observe } from './support/pools.ts'
import { addressOf } from './support/sentinels.ts'

const keys = Array.from({ length: 50 }, (_, n) => `failover:${n}`)
const anyKey = () => keys[Math.floor(Math.random() * keys.length)] ?? ''
test('callers do not notice a planned failover', async () => {
  const { replica, connection } = await startOwnCluster()
  const pool = openClusterPool(connection, { max: 4, acquireTimeoutMillis: 20_000 })
  const load = startLoad(8, () => pool.incr(anyKey()))
  await expect.poll(() => pool.stats.size).toBe(4)
  await observe((redis) => redis.cluster('FAILOVER'), addressOf(replica))
  const role = () => observe((redis) => redis.role(), addressOf(replica))
  await expect.poll(role).toContain('master')
  await Promise.all(keys.map((key) => pool.incr(key)))
  const { errors, answers } = await load.end()
  expect(errors).toEqual([])
  const counts = await Promise.all(keys.map((key) => pool.get(key)))
  expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(answers + keys.length)
})

test('when a master crashes, commands under way reject, and callers wait for the next master', async () => {
  const { masters, replica, connection } = await startOwnCluster()
  for (const node of [...masters, replica]) {
    await observe((redis) => redis.config('SET', 'cluster-node-timeout', 1000), addressOf(node))
  }
  const pool = openClusterPool(connection, { max: 4, acquireTimeoutMillis: 25_000 })
  const load = startLoad(8, () => pool.incr(anyKey()))
  await expect.poll(() => pool.stats.size).toBe(4)
  await masters[0]?.stopServer()
  await Promise.all(keys.map((key) => pool.incr(key)))
  const { errors, slowest } = await load.end()
  expect(errors.length).toBeLessThanOrEqual(4)
  expect(errors.filter(({ message }) => message !== 'Connection is closed.')).toEqual([])
  expect(slowest).toBeLessThan(25_000)
  expect(await observe((redis) => redis.role(), addressOf(replica))).toContain('master')
})
