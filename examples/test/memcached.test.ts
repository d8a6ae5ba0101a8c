import { createForkSafePool, defineDriver, type PoolOptions } from '@forksafe/core'
import { type MemcachedServer, startMemcached } from '@forksafe/scripts/memcached'
import { inChild, type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { MemcachedAddress } from '../src/memcached/client.ts'
import { memcachedDriver } from '../src/memcached/driver.ts'

let server: MemcachedServer
beforeAll(async () => {
  server = await startMemcached()
})
afterAll(() => server.stop())

function open(options: PoolOptions<MemcachedAddress>, driver = memcachedDriver) {
  const pool = createForkSafePool(driver, options)
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

/** Returns the local ports of the connections of a pool, which identify them. */
async function portsOf(pool: ReturnType<typeof open>): Promise<(number | undefined)[]> {
  const leases = await Promise.all(Array.from({ length: pool.stats.max }, () => pool.acquire()))
  const ports = leases.map(({ resource }) => resource.socket.localPort)
  for (const lease of leases) lease.release()
  return ports.sort((a = 0, b = 0) => a - b)
}

test('the code of the guide runs', async () => {
  vi.stubEnv('MEMCACHED_PORT', String(server.port))
  const log = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(() => void vi.restoreAllMocks())
  onTestFinished(() => void vi.unstubAllEnvs())
  await import('../src/memcached/use.ts')
  expect(log).toHaveBeenCalledWith('hello', `VERSION ${server.version}`)
})

test('values are returned unchanged, whatever they contain', async () => {
  const pool = open({ connection: server })
  const values = ['', 'plain', 'END\r\n', 'naïve ☕', 'x'.repeat(200_000)]
  await Promise.all(values.map((value, n) => pool.set(`value:${n}`, value)))
  expect(await Promise.all(values.map((_, n) => pool.get(`value:${n}`)))).toEqual(values)
  expect(await pool.get('nothing')).toBeUndefined()
})

test('a value with an expiry time is gone afterwards', async () => {
  const pool = open({ connection: server })
  await pool.set('brief', 'here', -1) // a negative time expires at once
  expect(await pool.get('brief')).toBeUndefined()
})

test('a key that would change the command is rejected, and so is a value that is too long', async () => {
  const pool = open({ connection: server, max: 1 })
  await expect(pool.get('a\r\nflush_all')).rejects.toThrow('visible ASCII characters, got "a\\r\\n')
  await expect(pool.set('long', 'x'.repeat(2 ** 21))).rejects.toThrow('SERVER_ERROR')
  await pool.set('after', 'all')
  expect(await pool.get('after')).toBe('all')
})

test('a full server limits the pool to the connections it has', async () => {
  const small = await startMemcached({ tls: false, maxConnections: 30 })
  onTestFinished(() => small.stop())
  const pool = open({ connection: small, max: 2 })
  await pool.set('room', 'for one')
  const kinds: string[] = []
  pool.on('createError', ({ kind }) => kinds.push(kind))
  const others = Array.from({ length: 30 }, () => connect(small.port, small.host).resume())
  onTestFinished(() => others.forEach((socket) => socket.destroy()))
  await new Promise((resolve) => others.at(-1)?.once('close', resolve))

  expect(await Promise.all([pool.get('room'), pool.get('room')])).toEqual(['for one', 'for one'])
  await expect.poll(() => kinds).toContain('full')
})

test('connections that were closed by a restart of the server are replaced', async () => {
  const own = await startMemcached({ tls: false })
  onTestFinished(() => own.stop())
  const pool = open({ connection: own, max: 2 })
  const before = await portsOf(pool)
  await own.restart()
  await expect.poll(() => pool.stats.size).toBe(0)
  await pool.set('again', 'and again')
  expect(await pool.get('again')).toBe('and again')
  expect(before).not.toContain(await pool.use(({ socket }) => socket.localPort))
})

describe.each(['plain', 'TLS'])('a fork, over %s,', (transport) => {
  let proxy: RecordingProxy
  let connection: MemcachedAddress
  beforeAll(async () => {
    const port = transport === 'TLS' ? server.tlsPort : server.port
    proxy = await startRecordingProxy({ port: port ?? 0 })
    const { host } = proxy
    const tls = transport === 'TLS' && server.ca !== undefined ? { tls: { ca: server.ca } } : {}
    connection = { host, port: proxy.port, ...tls }
  })
  afterAll(() => proxy.stop())

  test('leaves the parent its connections, and the child opens its own', async () => {
    const pool = open({ connection, max: 3 })
    const ports = await portsOf(pool)
    await pool.set('whose', 'the parent’s')
    const lease = await pool.acquire()
    const mark = await proxy.mark()

    const child = await inChild(async () => {
      const seen = await pool.get('whose')
      await pool.set('whose', 'the child’s')
      const port = await pool.use(({ socket }) => socket.localPort)
      await pool.close()
      return { seen, port }
    })

    expect(await proxy.records({ since: mark, openedBefore: mark })).toEqual([])
    expect(child.seen).toBe('the parent’s')
    expect(ports).not.toContain(child.port)
    expect(await lease.resource.get('whose')).toBe('the child’s')
    lease.release()
    expect(await portsOf(pool)).toEqual(ports)
  })

  test('in the middle of a command leaves the answer to the parent', async () => {
    const pool = open({ connection, max: 1 })
    await pool.set('mine', 'and no other’s')
    await proxy.hold({ direction: 'fromServer' })
    const mark = await proxy.mark()
    const answer = pool.get('mine').catch((error: Error) => error.name)
    await expect.poll(() => proxy.records({ since: mark })).not.toEqual([])

    const asked = await proxy.mark()
    expect(await inChild(() => answer)).toBe('Error')

    expect(await proxy.records({ since: asked, openedBefore: asked })).toEqual([])
    await proxy.resume()
    expect(await answer).toBe('and no other’s')
  })

  test('breaks the parent if discard closes politely', async () => {
    const impolite = defineDriver({
      ...memcachedDriver,
      discard: (client) => void client.quit(),
    })
    const pool = open({ connection, max: 1 }, impolite)
    const [port] = await portsOf(pool)
    const mark = await proxy.mark()
    await inChild(() => new Promise((resolve) => setTimeout(resolve, 100)))
    expect(await proxy.records({ since: mark, openedBefore: mark })).not.toEqual([])
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(await pool.use(({ socket }) => socket.localPort)).not.toBe(port)
  })
})
