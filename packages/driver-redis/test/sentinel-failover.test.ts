import type { PoolEvents } from '@forksafe/core'
import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { connectionTo, observe, openPool } from './support/pools.ts'
import { addressOf, instead, startOwnSentinel } from './support/sentinels.ts'

const portOf = (redis: Redis): number | undefined => redis.stream.remotePort

test('when the master crashes, commands under way reject, and callers wait for the next master', async () => {
  const { master, replica, connection } = await startOwnSentinel()
  const pool = openPool(connection, { max: 4, acquireTimeoutMillis: 20_000 })
  const load = startLoad(8, () => pool.incr('failover:n'))
  await expect.poll(() => pool.stats.size).toBe(4)
  await master.stopServer()
  await expect.poll(() => pool.use(portOf)).toBe(replica.port)
  const counted = Number(await pool.get('failover:n'))
  await expect.poll(async () => Number(await pool.get('failover:n'))).toBeGreaterThan(counted + 20)
  const { errors, slowest } = await load.end()
  expect(errors.length).toBeLessThanOrEqual(4)
  expect(new Set(errors.map(({ message }) => message))).toEqual(
    new Set(errors.length === 0 ? [] : ['Connection is closed.']),
  )
  expect(slowest).toBeLessThan(20_000)
})

test('when one of three sentinels crashes with the master, the others name the next master', async () => {
  const { master, replica, sentinels, connection } = await startOwnSentinel({ sentinels: 3 })
  const [first, second, third] = sentinels.map(addressOf)
  const deadFirst = [third, second, first].filter((address) => address !== undefined)
  const pool = openPool(
    { ...connection, sentinels: deadFirst },
    { max: 2, acquireTimeoutMillis: 20_000 },
  )
  expect(await pool.use(portOf)).toBe(master.port)
  await Promise.all([sentinels[2]?.stopServer(), master.stopServer()])
  await expect.poll(() => pool.use(portOf)).toBe(replica.port)
  expect(await pool.set('a', 1)).toBe('OK')
})

test('when the master is demoted, its connections are lost, and the next ones reach the new master', async () => {
  const { name, master, replica, sentinel, connection } = await startOwnSentinel()
  const pool = openPool(connection, { max: 2, acquireTimeoutMillis: 20_000 })
  const ended: PoolEvents['destroy'][0][] = []
  pool.on('destroy', (details) => ended.push(details))
  const lease = await pool.acquire()
  const client = lease.resource
  expect(portOf(client)).toBe(master.port)
  await pool.ping()
  const popped = client.blpop('nothing:comes', 0).catch((error: unknown) => error)
  await observe((redis) => redis.call('SENTINEL', 'FAILOVER', name), addressOf(sentinel))
  expect(await popped).toMatchObject({ message: 'Connection is closed.' })
  await expect.poll(() => pool.stats.size).toBe(0)
  expect(ended).toMatchObject([{ reason: 'lost' }, { reason: 'lost' }])
  expect(() => lease.resource).toThrow('its resource was lost')
  await expect(client.get('a')).rejects.toThrow('Connection is closed')
  lease.release()
  expect(await pool.set('a', 1)).toBe('OK')
  expect(await pool.use(portOf)).toBe(replica.port)
  expect(await observe((redis) => redis.role(), addressOf(master))).toContain('slave')
})

test('with `failoverDetector`, a connection ends once a sentinel announces the next master', async () => {
  const { name, master, replica, sentinel, connection } = await startOwnSentinel()
  // Replaces the master by a server whose connections no sentinel will end.
  const natMap = instead(master, connectionTo() as { host: string; port: number })
  const pool = openPool({ ...connection, natMap, failoverDetector: true }, { max: 1 })
  const lost = new Promise<PoolEvents['destroy'][0]>((resolve) => pool.once('destroy', resolve))
  expect(await pool.use(portOf)).not.toBe(master.port)
  await expect
    .poll(() => observe((redis) => redis.client('LIST'), addressOf(sentinel)))
    .toContain('cmd=subscribe')
  await observe((redis) => redis.call('SENTINEL', 'FAILOVER', name), addressOf(sentinel))
  expect(await lost).toMatchObject({ reason: 'lost' })
  expect(await pool.use(portOf)).toBe(replica.port)
})
