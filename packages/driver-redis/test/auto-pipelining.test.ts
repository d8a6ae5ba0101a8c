import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { connectionTo, idOf, observe, openPool, seenByServer } from './support/pools.ts'
import { openClusterPool, startOwnCluster, idsOf } from './support/clusters.ts'

// With `enableAutoPipelining`, ioredis holds commands back until the next turn of the event loop.

const caught = (promise: Promise<unknown>): void => void promise.catch(() => undefined)

const openPipelinedPool = () =>
  openPool(
    { ...connectionTo(), enableAutoPipelining: true },
    { max: 1, validateTimeoutMillis: 60_000 },
  )

test.each([
  ['WATCH', (redis: Redis) => caught(redis.watch('pipelined:watched'))],
  [
    'WATCH behind an unanswered command',
    async (redis: Redis) => {
      caught(redis.get('pipelined:a'))
      await new Promise((resolve) => setImmediate(resolve))
      caught(redis.watch('pipelined:watched'))
    },
  ],
])('%s that was not awaited does not affect the next holder', async (_, leave) => {
  const pool = openPipelinedPool()
  const before = await idOf(pool)
  await pool.use(leave)
  expect(
    await pool.use(async (redis) => {
      await observe((other) => other.incr('pipelined:watched'))
      return redis.multi().echo('done').exec()
    }),
  ).toEqual([[null, 'done']])
  expect(await idOf(pool)).toBe(before)
})

test('a blocking command that was not awaited does not delay the next holder', async () => {
  const pool = openPipelinedPool()
  const before = await idOf(pool)
  await pool.use((redis) => caught(redis.blpop('pipelined:nothing', 0)))
  expect(await Promise.race([pool.ping(), sleep(2_000, 'nothing')])).toBe('PONG')
  expect(await idOf(pool)).not.toBe(before)
})

test('a write that was not awaited is executed', async () => {
  const pool = openPipelinedPool()
  await pool.use((redis) => void redis.set('pipelined:a', 'written'))
  expect(await pool.get('pipelined:a')).toBe('written')
})

test('a transaction, another database and a name are undone', async () => {
  const pool = openPipelinedPool()
  const before = await idOf(pool)
  await pool.use(async (redis) => {
    await redis.client('SETNAME', 'mine')
    await redis.select(3)
    await redis.multi({ pipeline: false })
  })
  expect(await idOf(pool)).toBe(before)
  expect(await seenByServer(before)).toMatchObject({ db: '0', multi: '-1', name: '' })
})

test('on a cluster, WATCH is undone and a blocking command ends the client', async () => {
  const { connection } = await startOwnCluster()
  const pool = openClusterPool({ ...connection, enableAutoPipelining: true }, { max: 1 })
  const before = await pool.use(idsOf)
  await pool.use((cluster) => caught(cluster.watch('{w}:a')))
  expect(
    await pool.use(async (cluster) => {
      for (const node of cluster.nodes('master')) {
        expect(await node.client('INFO')).toMatch(/ flags=N .* multi=-1 /)
      }
      return idsOf(cluster)
    }),
  ).toEqual(before)
  await pool.use((cluster) => caught(cluster.blpop('{w}:nothing', 0)))
  expect(await pool.use(idsOf)).not.toEqual(before)
})
