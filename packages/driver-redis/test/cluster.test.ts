import type { PoolEvents } from '@forksafe/core'
import { startRecordingProxy } from '@forksafe/testkit'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { redisClusterDriver, type RedisClusterConnection } from '../src/index.ts'
import { idsOf, openClusterPool, RecordedCluster } from './support/clusters.ts'
import { connectionTo, observe } from './support/pools.ts'
import { addressOf } from './support/sentinels.ts'

let recorded: RecordedCluster
let connection: RedisClusterConnection
beforeAll(async () => {
  recorded = await RecordedCluster.start()
  connection = { nodes: [addressOf(recorded.cluster.replica)] }
})
afterAll(() => recorded.stop())

const keys = Array.from({ length: 30 }, (_, n) => `cluster:${n}`)

describe.each(['plain', 'TLS'] as const)('over %s', (transport) => {
  test('each command is sent to the node that has its slot', async () => {
    const pool = openClusterPool(recorded.connection(transport), { max: 2 })
    await Promise.all(keys.map((key) => pool.set(key, key)))
    expect(await Promise.all(keys.map((key) => pool.get(key)))).toEqual(keys)
  })

  test('destroy sends QUIT to every node and leaves nothing open', async () => {
    const pool = openClusterPool(recorded.connection(transport), { max: 1 })
    const proxies = recorded.proxies(transport)
    await pool.use((cluster) => idsOf(cluster))
    const marks = await Promise.all(proxies.map((proxy) => proxy.mark()))
    await pool.close()
    for (const [n, proxy] of proxies.slice(0, 3).entries()) {
      const [goodbye] = await proxy.records({ since: marks[n] ?? 0 })
      const bytes = transport === 'TLS' ? expect.any(Buffer) : Buffer.from('*1\r\n$4\r\nquit\r\n')
      expect(goodbye).toMatchObject({ direction: 'fromClient', bytes })
      expect((await proxy.connections()).flatMap(({ holders }) => holders)).toEqual([])
    }
  })
})

test('a transaction with WATCH runs on a connection of its own', async () => {
  const pool = openClusterPool(connection)
  const transact = (change: () => Promise<unknown>) =>
    pool.use(async (cluster) => {
      await cluster.watch('{w}:a')
      await change()
      return cluster.multi().set('{w}:a', 1).get('{w}:a').exec()
    })
  expect(await transact(async () => undefined)).toEqual([
    [null, 'OK'],
    [null, '1'],
  ])
  expect(await transact(() => pool.set('{w}:a', 2))).toBeNull()
})

describe('create', () => {
  async function refused(connection: RedisClusterConnection) {
    const pool = openClusterPool(connection, { acquireTimeoutMillis: 20_000 })
    const failed = new Promise<PoolEvents['createError'][0]>((resolve) =>
      pool.once('createError', resolve),
    )
    pool.ping().catch(() => undefined)
    return failed
  }

  test('reports what was expected and what it got', async () => {
    expect(await refused({ nodes: [] })).toMatchObject({
      kind: 'fatal',
      error: {
        message: 'Expected `nodes` to be an array of at least one address, got an empty array.',
      },
    })
    const { host = '', port = 0 } = connectionTo() as { host?: string; port?: number }
    expect(await refused({ nodes: [{ host, port }] })).toMatchObject({
      error: { message: expect.stringMatching(/cluster support disabled|NOAUTH/) },
      kind: 'fatal',
    })
    expect(await refused({ nodes: [{ host: '127.0.0.1', port: 1 }] })).toMatchObject({
      kind: 'transient',
      error: { message: 'connect ECONNREFUSED 127.0.0.1:1', code: 'ECONNREFUSED' },
    })
    expect(await refused({ nodes: [{ host: '127.0.0.1', port: 99_999 }] })).toMatchObject({
      kind: 'fatal',
      error: { code: 'ERR_SOCKET_BAD_PORT' },
    })
  })

  test('names the node that closes the connection', async () => {
    const proxy = await startRecordingProxy({ host: '127.0.0.1', port: 1 })
    onTestFinished(() => proxy.stop())
    expect(await refused({ nodes: [addressOf(proxy)] })).toMatchObject({
      kind: 'transient',
      error: { message: expect.stringContaining(`127.0.0.1:${proxy.port}`) },
    })
  })

  test.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'a number'],
    [[], 'an array'],
    ['redis://:secret@localhost', 'a string'],
  ])('refuses a connection that is %o', async (connection, got) => {
    expect(await refused(connection as never)).toMatchObject({
      kind: 'fatal',
      error: { message: `Expected \`connection\` to be an object with \`nodes\`, got ${got}.` },
    })
  })

  test('leaves nothing open when a node does not answer in time', async () => {
    const proxies = recorded.proxies('plain')
    const [, silent] = proxies
    await silent?.hold({ direction: 'fromServer' })
    onTestFinished(async () => silent?.resume({ direction: 'fromServer' }))
    const pool = openClusterPool(recorded.connection('plain'), {
      createTimeoutMillis: 300,
      acquireTimeoutMillis: 600,
      backoff: { minMillis: 5_000 },
    })
    await expect(pool.ping()).rejects.toThrow('took longer than 300 ms')
    for (const proxy of proxies) {
      await expect
        .poll(async () => (await proxy.connections()).flatMap(({ holders }) => holders))
        .toEqual([])
    }
  })
})

describe('reset', () => {
  test('costs no round trip for a clean session, and undoes changes on each node', async () => {
    const signal = new AbortController().signal
    const cluster = await redisClusterDriver.create(connection, { signal })
    onTestFinished(() => redisClusterDriver.destroy(cluster))
    await Promise.all(keys.map((key) => cluster.get(key)))
    expect(redisClusterDriver.reset?.(cluster)).toBeUndefined()
    await Promise.all(keys.map((key) => cluster.watch(key)))
    await redisClusterDriver.reset?.(cluster)
    for (const node of cluster.nodes('master')) {
      expect(await node.client('INFO')).toMatch(/ flags=N .* multi=-1 /)
    }
  })

  test('removes a message listener of a holder that did not subscribe', async () => {
    const pool = openClusterPool(connection, { max: 1 })
    await pool.use((cluster) => void cluster.on('message', () => undefined))
    expect(await pool.use((cluster) => cluster.listenerCount('message'))).toBe(0)
  })

  test.each([
    ['a subscription', (pool) => pool.use((cluster) => cluster.subscribe('c'))],
    [
      'a blocking command',
      (pool) => pool.use((cluster) => void cluster.blpop('nothing', 0).catch(() => undefined)),
    ],
    [
      'HIMPORT PREPARE',
      (pool) => pool.use((cluster) => void cluster.himport('PREPARE', 'f', 'a').catch(() => 0)),
    ],
    ['an ended connection', (pool) => pool.use((cluster) => cluster.disconnect())],
  ] as [string, (pool: ReturnType<typeof openClusterPool>) => Promise<unknown>][])(
    'replaces a cluster with %s',
    async (_, use) => {
      const pool = openClusterPool(connection, { max: 1 })
      const before = await pool.use(idsOf)
      await use(pool)
      expect(await pool.use(idsOf)).not.toEqual(before)
      await pool.close()
    },
  )
})

test('a cluster is lost once the connection to one master is', async () => {
  const pool = openClusterPool(connection, { max: 1 })
  const lost = new Promise<PoolEvents['destroy'][0]>((resolve) => pool.once('destroy', resolve))
  const [first = ''] = await pool.use(idsOf)
  const [port, id = ''] = first.split(':')
  await observe((redis) => redis.client('KILL', 'ID', id), {
    host: '127.0.0.1',
    port: Number(port),
  })
  expect(await lost).toMatchObject({ reason: 'lost' })
  expect(await pool.set('a', 1)).toBe('OK')
})

test('an idle cluster that refreshes its slots does not keep the process alive', async () => {
  const held = () =>
    process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length
  const before = held()
  const pool = openClusterPool({ ...connection, slotsRefreshInterval: 200 }, { max: 1 })
  const lease = await pool.acquire()
  expect(held()).toBeGreaterThanOrEqual(before + 3)
  const refreshed = new Promise((resolve) => lease.resource.once('refresh', resolve))
  await refreshed
  lease.release()
  // A refresh itself keeps the process alive for a moment.
  await expect.poll(held).toBeLessThanOrEqual(before)
})

test('the snippet in the README works', async () => {
  const snippet = readFileSync(new URL('support/usage-cluster.ts', import.meta.url), 'utf8')
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`ts\n${snippet}\`\`\``)
  const { host, port } = recorded.cluster.replica
  vi.stubEnv('REDIS_NODE', `redis://${host}:${port}`)
  onTestFinished(() => void vi.unstubAllEnvs())
  await import('./support/usage-cluster.ts')
  expect(await openClusterPool(connection).get('{visits}:today')).toBe('2')
})
