import { inChild, type RecordingProxy } from '@forksafe/testkit'
import type { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { idsOf, openClusterPool, RecordedCluster } from './support/clusters.ts'
import { expectSilentOn, type Notice, outcomeOf } from './support/forked.ts'

let recorded: RecordedCluster
beforeAll(async () => {
  recorded = await RecordedCluster.start()
})
afterAll(() => recorded.stop())

/** Expects no byte on any connection to any node during `work`. */
function expectSilent<T>(proxies: RecordingProxy[], work: () => Promise<T>): Promise<T> {
  return proxies.reduce<() => Promise<T>>(
    (within, proxy) => () => expectSilentOn(proxy, within),
    work,
  )()
}

describe.each(['plain', 'TLS'] as const)('over %s', (transport) => {
  describe.each<Notice>(['hooked', 'unhooked'])('a fork whose child is %s,', (notice) => {
    const open = (asked = {}) =>
      openClusterPool({ ...recorded.connection(transport), ...asked }, { max: 1 })

    /** Runs `look` in a forked child, and expects no byte from it on inherited connections. */
    function forked<T>(
      pool: ReturnType<typeof open>,
      look: (cluster: Cluster) => Promise<T>,
    ): Promise<{ ids: string[]; found: T }> {
      return expectSilent(recorded.proxies(transport), () =>
        inChild(
          () =>
            pool.use(async (cluster) => ({
              ids: await idsOf(cluster),
              found: await look(cluster),
            })),
          { afterFork: notice === 'hooked' },
        ),
      )
    }

    test('with an idle cluster that refreshes its slots', async () => {
      const pool = open({ slotsRefreshInterval: 60_000 })
      const before = await pool.use(idsOf)
      const { ids } = await forked(pool, async () => undefined)
      expect(ids).toHaveLength(3)
      expect(ids.filter((id) => before.includes(id))).toEqual([])
      expect(await pool.use(idsOf)).toEqual(before)
    })

    test('with a lent cluster in a blocking command and a subscription that is configured to retry', async () => {
      const again = () => 1
      const pool = open({
        clusterRetryStrategy: again,
        clusterNodeRetryStrategy: again,
        retryDelayOnFailover: 1,
      })
      const lease = await pool.acquire()
      const cluster = lease.resource
      const before = await idsOf(cluster)
      const heard: string[] = []
      cluster.on('message', (_, message) => heard.push(message))
      await cluster.subscribe('c')
      const popped = outcomeOf(cluster.blpop('list', 0))
      // The command has been sent.
      await expect
        .poll(() => cluster.nodes('master').some((node) => node.commandQueue.length > 0))
        .toBe(true)
      const { ids, found } = await forked(pool, async (own) => {
        const error = await popped
        // Longer than the delay before a retry.
        for (let n = 0; n < 20; n++) await own.ping()
        await own.publish('c', 'from the child')
        return (error as Error).message
      })
      expect(found).toBe('Connection is closed.')
      expect(ids.filter((id) => before.includes(id))).toEqual([])
      await expect.poll(() => heard).toEqual(['from the child'])
      const other = open()
      await other.rpush('list', 'for the parent')
      expect(await popped).toEqual(['list', 'for the parent'])
      expect(await idsOf(cluster)).toEqual(before)
      lease.release()
    })
  })
})
