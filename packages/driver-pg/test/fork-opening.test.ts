import { StaleResourceError } from '@forksafe/core'
import { proves } from '@forksafe/scripts/proof'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  expectSilentChild,
  expectWritten,
  type Notice,
  openWatchedPool,
  outcomeOf,
} from './support/forked.ts'
import { startFullListener } from './support/full-listener.ts'
import { backendPid, everyTransport, role, startProxy, type Transport } from './support/pools.ts'

// A fork while a connection is being opened: the parent's is finished, the child's copy is given up and never adopted.

const stale = StaleResourceError.name
const overTcp = everyTransport.filter((transport) => transport !== 'Unix socket')
const overTls = everyTransport.filter((transport) => transport.startsWith('TLS'))

async function openProxy(transport: Transport) {
  const { proxy, stop } = await startProxy(transport)
  onTestFinished(stop)
  return proxy
}

describe.each<Notice>(['hooked', 'unhooked'])('in a child that is %s', (notice) => {
  test(
    'a TCP connect that has no answer yet ends, and the parent’s gets through',
    proves({ parent: ['connecting'], [notice]: ['connecting'] }),
    async () => {
      const proxy = await openProxy('plain')
      const listener = await startFullListener(proxy.port)
      const login = { port: listener.port }
      const watched = openWatchedPool(proxy, 'plain', { max: 1 }, { login })
      const { pool } = watched
      const opening = pool.acquire()
      await listener.expectConnecting()
      const { session, found } = await expectSilentChild(watched, notice, {
        timeoutMillis: 50,
        look: async () => ({ opening: await outcomeOf(opening), creating: pool.stats.creating }),
        opens: 0,
      })
      // The child tries on its own, and gets no answer either.
      expect({ session, ...found }).toEqual({
        session: 'AcquireTimeoutError',
        opening: stale,
        creating: 1,
      })
      listener.accept()
      const lease = await opening
      expect(await backendPid(lease.resource)).toEqual(expect.any(Number))
      const spokenOn = (await proxy.connections()).filter(({ bytesFromClient }) => bytesFromClient)
      expect(spokenOn).toHaveLength(1)
      lease.release()
    },
  )

  test.each(overTls)(
    'a handshake of %s that is half done ends, and the parent’s is finished',
    proves({ parent: ['handshake'], [notice]: ['handshake'] }),
    async (transport) => {
      const proxy = await openProxy(transport)
      const watched = openWatchedPool(proxy, transport, { max: 1 })
      const { pool } = watched
      await proxy.hold({ direction: 'fromServer' })
      const opening = pool.acquire()
      const answered = async () => (await proxy.connections())[0]?.bytesFromServer
      // The server's word that it speaks TLS. Let through, it is answered by the client's part of a handshake.
      await expect.poll(answered).toBe(1)
      await proxy.hold({ direction: 'fromClient' })
      const mark = await proxy.mark()
      await proxy.resume({ direction: 'fromServer' })
      await expectWritten(proxy, mark)
      const { found } = await expectSilentChild(watched, notice, {
        timeoutMillis: 50,
        look: () => outcomeOf(opening),
      })
      expect(found).toBe(stale)
      await proxy.resume()
      const lease = await opening
      const { rows } = await lease.resource.query(
        'SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      )
      expect(rows).toEqual([{ version: transport.replace(' ', 'v') }])
      lease.release()
    },
  )

  test.skipIf(role === undefined).each(overTcp)(
    'an authentication over %s that waits for the password ends, and the parent’s succeeds',
    proves({ parent: ['authenticating'], [notice]: ['authenticating'] }),
    async (transport) => {
      const proxy = await openProxy(transport)
      let tell = (): void => undefined
      const told = new Promise<void>((resolve) => (tell = resolve))
      let asked = 0
      const login = {
        user: role?.user,
        password: async () => {
          asked++
          await told
          return role?.password ?? ''
        },
      }
      const watched = openWatchedPool(proxy, transport, { max: 1 }, { login })
      const { pool } = watched
      const opening = pool.acquire()
      await expect.poll(() => asked).toBe(1)
      const { session, found } = await expectSilentChild(watched, notice, {
        // The child knows the password at once, for the connection that is the parent's as well.
        use: tell,
        look: () => outcomeOf(opening),
      })
      expect(found).toBe(stale)
      tell()
      const lease = await opening
      expect(await backendPid(lease.resource)).not.toBe(session)
      lease.release()
      expect(asked).toBe(1)
      expect(await proxy.connections()).toHaveLength(2)
    },
  )

  test.runIf(everyTransport.includes('Unix socket'))(
    'a login over a Unix socket that has no answer yet ends, and the parent’s succeeds',
    proves({ parent: ['authenticating'], [notice]: ['authenticating'] }),
    async () => {
      const proxy = await openProxy('Unix socket')
      const watched = openWatchedPool(proxy, 'Unix socket', { max: 1 })
      const mark = await proxy.mark()
      await proxy.hold({ direction: 'fromServer' })
      const opening = watched.pool.acquire()
      await expectWritten(proxy, mark)
      const { found } = await expectSilentChild(watched, notice, {
        timeoutMillis: 50,
        look: () => outcomeOf(opening),
      })
      expect(found).toBe(stale)
      await proxy.resume()
      const lease = await opening
      expect(await backendPid(lease.resource)).toEqual(expect.any(Number))
      lease.release()
    },
  )
})
