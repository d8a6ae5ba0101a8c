import { StaleResourceError } from '@forksafe/core'
import { type Sentinel, startSentinel } from '@forksafe/scripts/redis'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RedisPool } from '../src/index.ts'
import { expectSilentChild, expectSilentOn, fateOf, type Notice } from './support/forked.ts'
import { idOf, openPool } from './support/pools.ts'
import { addressOf, instead, type Sentinelled, throughSentinel } from './support/sentinels.ts'

// As in fork.test.ts, with a proxy before the sentinel as well.

let servers: Sentinel
let proxies: { server: RecordingProxy; secure: RecordingProxy; sentinel: RecordingProxy }
beforeAll(async () => {
  servers = await startSentinel({ tls: true })
  const { master } = servers
  const [server, secure, before] = await Promise.all([
    startRecordingProxy(addressOf(master)),
    startRecordingProxy({ host: master.host, port: master.tlsPort ?? 0 }),
    startRecordingProxy(addressOf(servers.sentinel)),
  ])
  proxies = { server, secure, sentinel: before }
})
afterAll(async () => {
  await Promise.all(Object.values(proxies).map((proxy) => proxy.stop()))
  await servers.stop()
})

describe.each(['plain', 'TLS'] as const)('over %s', (transport) => {
  function openWatched(asked: Partial<Sentinelled> = {}): {
    pool: RedisPool
    proxy: RecordingProxy
  } {
    const proxy = transport === 'TLS' ? proxies.secure : proxies.server
    const { master } = servers
    const tls = { enableTLSForSentinelMode: true, tls: { ca: master.ca ?? '' } }
    const connection: Sentinelled = {
      ...throughSentinel(servers),
      sentinels: [addressOf(proxies.sentinel)],
      updateSentinels: false,
      natMap: instead(master, proxy),
      ...(transport === 'TLS' ? tls : {}),
      ...asked,
    }
    return { pool: openPool(connection, { max: 1 }), proxy }
  }

  describe.each<Notice>(['hooked', 'unhooked'])('a fork whose child is %s,', (notice) => {
    test('while a connection is lent whose sentinel is listened to', async () => {
      const watched = openWatched({ failoverDetector: true })
      const lease = await watched.pool.acquire()
      const client = lease.resource
      const before = await idOf(client)
      await expect
        .poll(async () => (await proxies.sentinel.connections()).at(-1)?.holders.length)
        .toBe(1)
      const id = await expectSilentOn(proxies.sentinel, async () => {
        const seen = await expectSilentChild(watched, notice, { clients: [client] })
        return seen.id
      })
      expect(id).not.toBe(before)
      expect(await idOf(client)).toBe(before)
      expect((await proxies.sentinel.connections()).some(({ holders }) => holders.length > 0)).toBe(
        true,
      )
      lease.release()
    })

    test('while a sentinel is being asked', async () => {
      const { pool, proxy } = openWatched({ sentinelRetryStrategy: () => 1 })
      await proxies.sentinel.hold({ direction: 'fromServer' })
      const opening = pool.acquire()
      const fate = fateOf(opening)
      await expect
        .poll(async () => (await proxies.sentinel.connections()).at(-1)?.holders.length)
        .toBe(1)
      const seen = await expectSilentOn(proxies.sentinel, () =>
        expectSilentChild({ pool, proxy }, notice, {
          timeoutMillis: 300,
          look: () => fate,
          opens: 0,
        }),
      )
      // The child asks on its own, and gets no answer either.
      expect(seen).toMatchObject({ id: 'AcquireTimeoutError', found: StaleResourceError.name })
      await proxies.sentinel.resume({ direction: 'fromServer' })
      const lease = await opening
      expect(await idOf(lease.resource)).toEqual(expect.any(Number))
      lease.release()
    })
  })
})
