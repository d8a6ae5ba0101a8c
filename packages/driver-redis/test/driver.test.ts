import type { PoolEvents } from '@forksafe/core'
import type { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { redisDriver } from '../src/index.ts'
import {
  connectionTo,
  fill,
  idOf,
  observe,
  openPool,
  openRecordedPool,
  type Options,
  seenByServer,
  transports,
} from './support/pools.ts'

const never = new AbortController().signal

async function openClient(options: Options = {}): Promise<Redis> {
  const client = await redisDriver.create({ ...connectionTo(), ...options }, { signal: never })
  onTestFinished(() => client.disconnect())
  return client
}

describe('create', () => {
  test.each(transports)('opens a ready connection over %s', async (transport) => {
    const client = await openClient(connectionTo({ transport }))
    expect(client.status).toBe('ready')
    const { laddr } = (await seenByServer(await idOf(client))) ?? {}
    const { path, port } = connectionTo({ transport })
    expect(laddr).toBe(path === undefined ? `127.0.0.1:${port}` : `${path}:0`)
  })

  test.runIf(transports.includes('TLS'))('rejects an untrusted certificate', async () => {
    const untrusting = connectionTo({ transport: 'TLS' })
    await expect(openPool({ ...untrusting, tls: {} }).ping()).rejects.toMatchObject({
      cause: { code: expect.stringMatching(/^(UNABLE_TO|SELF_SIGNED)_/) },
    })
  })

  test('accepts a URL, or a function that returns one', async () => {
    const { host, port, username = '', password = '' } = connectionTo()
    const text = `redis://${username}:${password}@${host}:${port}/2`
    for (const connection of [text, async () => text]) {
      const id = await idOf(openPool(connection))
      expect(await seenByServer(id)).toMatchObject({ db: '2' })
    }
  })

  test('leaves nothing open when it is aborted midway', async () => {
    const { pool, proxy } = await openRecordedPool('plain', {
      createTimeoutMillis: 200,
      acquireTimeoutMillis: 400,
      backoff: { minMillis: 5_000 },
    })
    await proxy.hold()
    await expect(pool.get('a')).rejects.toThrow('took longer than 200 ms')
    await expect
      .poll(async () => (await proxy.connections()).flatMap(({ holders }) => holders))
      .toEqual([])
  })

  test('leaves nothing open when it fails, and only the pool retries', async () => {
    const { pool, proxy } = await openRecordedPool(
      'plain',
      { acquireTimeoutMillis: 20_000 },
      { db: 9_999 },
    )
    await expect(pool.get('a')).rejects.toMatchObject({
      cause: { message: 'ERR DB index is out of range' },
    })
    const connections = await proxy.connections()
    expect(connections.map(({ holders }) => holders)).toEqual([[]])
  })

  test('rejects if the database does not exist', async () => {
    await expect(openClient({ db: 9_999 })).rejects.toThrow('DB index is out of range')
  })

  test.each(['Connector', 'monitor'])('rejects the option `%s`', async (option) => {
    const options = { ...connectionTo(), [option]: [{ host: 'a' }] }
    await expect(openPool(options).get('a')).rejects.toMatchObject({
      cause: { message: `Expected connection options without \`${option}\`, got some with it.` },
    })
  })

  test('prints nothing when the server is down', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    onTestFinished(() => printed.mockRestore())
    const pool = openPool({ host: '127.0.0.1', port: 1 }, { acquireTimeoutMillis: 100 })
    await expect(pool.get('a')).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    expect(printed).not.toHaveBeenCalled()
  })
})

describe('validate', () => {
  test('accepts a live connection and rejects for a dead one', async () => {
    const client = await openClient()
    expect(await redisDriver.validate?.(client)).toBe(true)
    client.disconnect()
    await expect(async () => redisDriver.validate?.(client)).rejects.toThrow(/closed|writeable/)
  })
})

describe('destroy', () => {
  test.each(transports)('sends QUIT over %s', async (transport) => {
    const { pool, proxy } = await openRecordedPool(transport, { max: 1 })
    const id = await idOf(pool)
    const mark = await proxy.mark()
    await pool.close()
    const [goodbye] = await proxy.records({ since: mark })
    const bytes = transport === 'TLS' ? expect.any(Buffer) : Buffer.from('*1\r\n$4\r\nquit\r\n')
    expect(goodbye).toMatchObject({ direction: 'fromClient', bytes })
    expect(await seenByServer(id)).toBeUndefined()
  })

  test('immediately ends a connection in a blocking command', async () => {
    const pool = openPool(connectionTo(), { max: 1, destroyTimeoutMillis: 20_000 })
    const lease = await pool.acquire()
    const id = await idOf(lease.resource)
    const popped = lease.resource.blpop('nothing:comes', 0)
    lease.destroy()
    await expect(popped).rejects.toThrow('Connection is closed')
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(await seenByServer(id)).toBeUndefined()
  })

  test.each(['quit', 'disconnect'] as const)(
    'succeeds after the holder called `%s`',
    async (end) => {
      const pool = openPool(connectionTo(), { max: 1 })
      const before = await idOf(pool)
      const errors: unknown[] = []
      pool.on('hookError', ({ hook, error }) => hook === 'destroy' && errors.push(error))
      await pool.use(async (redis) => redis[end]())
      expect(await idOf(pool)).not.toBe(before)
      await pool.close()
      expect(errors).toEqual([])
    },
  )
})

describe('discard', () => {
  test('is synchronous and can be repeated', async () => {
    const client = await openClient()
    const asked = client.blpop('nothing:comes', 0)
    expect(redisDriver.discard(client)).toBeUndefined()
    expect(redisDriver.discard(client)).toBeUndefined()
    await expect(asked).rejects.toThrow('Connection is closed')
  })

  test('ends a client that is configured to reconnect and to resend', async () => {
    const { pool, proxy } = await openRecordedPool('plain')
    await proxy.mark()
    const client = await openClient({
      ...connectionTo({ proxy }),
      retryStrategy: () => 0,
      enableOfflineQueue: true,
    })
    const asked = client.blpop('nothing:comes', 0)
    redisDriver.discard(client)
    await expect(asked).rejects.toThrow('Connection is closed')
    expect(client.status).toBe('end')
    // Longer than a reconnect would take.
    await idOf(pool)
    expect(await proxy.connections()).toHaveLength(2)
  })
})

describe('watch', () => {
  const kill = (ids: number[]) =>
    observe((redis) => Promise.all(ids.map((id) => redis.client('KILL', 'ID', id))))

  test('an idle connection that the server ends is replaced, and the process goes on', async () => {
    const pool = openPool(connectionTo(), { max: 2 })
    const ids = await fill(pool, 2)
    const ended: PoolEvents['destroy'][0][] = []
    pool.on('destroy', (details) => ended.push(details))
    await kill(ids)
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(ended).toMatchObject([{ reason: 'lost' }, { reason: 'lost' }])
    expect(ids).not.toContain(await idOf(pool))
  })

  test('a lent connection that the server ends is replaced, and its client does not reconnect', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const lease = await pool.acquire()
    const client = lease.resource
    const id = await idOf(client)
    const popped = client.blpop('nothing:comes', 0).catch((error: unknown) => error)
    await kill([id])
    expect(await popped).toMatchObject({ message: 'Connection is closed.' })
    await expect(client.get('a')).rejects.toThrow('Connection is closed')
    expect(await pool.get('a')).toBeNull()
    expect(() => lease.resource).toThrow('its resource was lost')
    lease.release()
  })
})

describe('allowExitOnIdle', () => {
  test.each(transports)(
    'an idle connection over %s does not keep the process alive',
    async (transport) => {
      const held = () =>
        process.getActiveResourcesInfo().filter((name) => /TCP|Pipe|TLS/.test(name))
      const before = held().length
      const pool = openPool(connectionTo({ transport }), { max: 1 })
      const lease = await pool.acquire()
      expect(held().length).toBe(before + 1)
      lease.release()
      expect(held().length).toBe(before)
    },
  )
})
