import { CreateError, type PoolEvents } from '@forksafe/core'
import { type Sentinel, startSentinel } from '@forksafe/scripts/redis'
import { startRecordingProxy } from '@forksafe/testkit'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RedisConnection } from '../src/index.ts'
import { openPool } from './support/pools.ts'
import { addressOf, instead, type Sentinelled, throughSentinel } from './support/sentinels.ts'

// Tests that do not change the master.

const nowhere = { host: '127.0.0.1', port: 1 }
let servers: Sentinel
let connection: Sentinelled
beforeAll(async () => {
  servers = await startSentinel({ tls: true, password: 'secret' })
  connection = { ...throughSentinel(servers), sentinelPassword: 'secret' }
})
afterAll(() => servers.stop())

/** Returns the port of the server that a pool connects to. */
async function portOf(connection: RedisConnection): Promise<number | undefined> {
  return openPool(connection).use((redis) => redis.stream.remotePort)
}

async function refused(connection: RedisConnection): Promise<PoolEvents['createError'][0]> {
  const pool = openPool(connection, { acquireTimeoutMillis: 20_000 })
  const failed = new Promise<PoolEvents['createError'][0]>((resolve) =>
    pool.once('createError', resolve),
  )
  const answer = pool.ping().catch((error: unknown) => error)
  const failure = await failed
  if (failure.kind === 'fatal') expect(await answer).toBeInstanceOf(CreateError)
  return failure
}

describe('a pool with sentinels', () => {
  test('connects to the master', async () => {
    expect(await portOf(connection)).toBe(servers.master.port)
  })

  test('connects to a replica with `role: slave`', async () => {
    expect(await portOf({ ...connection, role: 'slave' })).toBe(servers.replica.port)
  })

  test('asks the next sentinel if one is down', async () => {
    const some = { ...connection, sentinels: [nowhere, ...connection.sentinels] }
    expect(await portOf(some)).toBe(servers.master.port)
  })

  test('accepts a function that returns the options', async () => {
    expect(await openPool(async () => connection).ping()).toBe('PONG')
  })

  test('connects over TLS, and rejects an untrusted certificate', async () => {
    const { host, port, tlsPort = 0, ca = '' } = servers.master
    const secure: Sentinelled = {
      ...connection,
      natMap: instead({ host, port }, { host, port: tlsPort }),
      enableTLSForSentinelMode: true,
      tls: { ca },
    }
    expect(await portOf(secure)).toBe(tlsPort)
    expect(await refused({ ...secure, tls: {} })).toMatchObject({
      kind: 'fatal',
      error: { code: expect.stringMatching(/^(UNABLE_TO|SELF_SIGNED)_/) },
    })
  })

  test('leaves no connection to a sentinel open', async () => {
    const proxy = await startRecordingProxy(addressOf(servers.sentinel))
    onTestFinished(() => proxy.stop())
    const pool = openPool({ ...connection, sentinels: [addressOf(proxy)], updateSentinels: false })
    await pool.ping()
    await expect
      .poll(async () => (await proxy.connections()).map(({ holders }) => holders))
      .toEqual([[]])
    await pool.close()
  })

  test('keeps a connection to a sentinel with `failoverDetector`, and closes it with its own', async () => {
    const proxy = await startRecordingProxy(addressOf(servers.sentinel))
    onTestFinished(() => proxy.stop())
    const pool = openPool({
      ...connection,
      sentinels: [addressOf(proxy)],
      updateSentinels: false,
      failoverDetector: true,
    })
    const holders = async () => (await proxy.connections()).map(({ holders }) => holders.length)
    await pool.ping()
    await expect.poll(holders).toEqual([0, 1])
    await pool.close()
    expect(await holders()).toEqual([0, 0])
  })

  test('does not keep the process alive with idle connections, nor with those to sentinels', async () => {
    const held = () => process.getActiveResourcesInfo().filter((name) => /TCP/.test(name)).length
    const before = held()
    const pool = openPool({ ...connection, failoverDetector: true }, { max: 1 })
    const lease = await pool.acquire()
    await expect.poll(held).toBe(before + 2)
    lease.release()
    await expect.poll(held).toBe(before)
  })

  test('leaves nothing open if a sentinel does not answer in time', async () => {
    const proxy = await startRecordingProxy(addressOf(servers.sentinel))
    onTestFinished(() => proxy.stop())
    await proxy.hold()
    const pool = openPool(
      { ...connection, sentinels: [addressOf(proxy)] },
      { createTimeoutMillis: 200, acquireTimeoutMillis: 400, backoff: { minMillis: 5_000 } },
    )
    await expect(pool.ping()).rejects.toThrow('took longer than 200 ms')
    await expect
      .poll(async () => (await proxy.connections()).flatMap(({ holders }) => holders))
      .toEqual([])
  })

  test('rejects a server that has become a replica', async () => {
    const { master, replica } = servers
    const stale = { ...connection, natMap: instead(master, replica) }
    expect(await refused(stale)).toMatchObject({
      kind: 'transient',
      error: { message: 'Expected a server with the role "master", got a "slave".' },
    })
  })
})

describe('a failed connect', () => {
  test('is fatal for an unknown master and a wrong password', async () => {
    const unknown = await refused({ ...connection, name: 'unknown' })
    expect(unknown.kind).toBe('fatal')
    expect(unknown.error).toMatchObject({
      message: expect.stringContaining('No such master with that name'),
    })
    const stranger = await refused({ ...connection, sentinelPassword: 'wrong' })
    expect(stranger.kind).toBe('fatal')
    expect(stranger.error).toMatchObject({ message: expect.stringContaining('WRONGPASS') })
  })

  test('is transient if no sentinel can be reached', async () => {
    expect(await refused({ ...connection, sentinels: [nowhere] })).toMatchObject({
      kind: 'transient',
      error: { message: expect.stringContaining('All sentinels are unreachable') },
    })
  })

  test.each([
    [
      { sentinels: [] },
      'Expected `sentinels` to be an array of at least one address, got an empty array.',
    ],
    [
      { name: '' },
      'Expected `name` to be the name of a master, a non-empty string, got an empty string.',
    ],
  ])('reports what was expected and what it got: %o', async (wrong, message) => {
    const { kind, error } = await refused({ ...connection, ...wrong })
    expect(kind).toBe('fatal')
    expect(error).toMatchObject({ message })
  })
})

test('a server that was demoted unnoticed fails validation before it is lent', async () => {
  const own = await startSentinel()
  onTestFinished(() => own.stop())
  const pool = openPool(throughSentinel(own), { max: 1, validateAfterIdleMillis: 0 })
  const client = await pool.use((redis: Redis) => redis)
  expect(await pool.set('a', 1)).toBe('OK')
  // A sentinel would end its connections.
  await own.sentinel.stop()
  await client.replicaof('127.0.0.1', 1)
  const answer = pool.set('a', 2).catch((error: Error) => error.message)
  const failed = await new Promise<PoolEvents['hookError'][0]>((resolve) =>
    pool.once('hookError', resolve),
  )
  expect(failed).toMatchObject({
    hook: 'validate',
    error: { message: 'Expected a server with the role "master", got a "slave".' },
  })
  await pool.close({ deadlineMillis: 0 })
  expect(await answer).toContain('closing')
})
