import { CreateError } from '@forksafe/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type MysqlClient, mysqlDriver } from '../src/index.ts'
import {
  connectionTo,
  fill,
  observe,
  openPool,
  openRecordedPool,
  rowOf,
  sessionId,
  sessionsAlive,
  transports,
} from './support/pools.ts'

const never = new AbortController().signal

async function openClient(): Promise<MysqlClient> {
  const client = await mysqlDriver.create(connectionTo(), { signal: never })
  onTestFinished(() => mysqlDriver.destroy(client))
  return client
}

describe('create', () => {
  test.each(transports)('opens a session over %s', async (transport) => {
    const pool = openPool(connectionTo({ transport }))
    const { Value } = await rowOf(pool, "SHOW STATUS LIKE 'Ssl_version'")
    expect(Value).toBe(transport === 'TLS' ? 'TLSv1.3' : '')
  })

  test('accepts a connection URI, or a function that returns one', async () => {
    const { host, port, user, password = '', database } = connectionTo()
    const uri = `mysql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`
    expect(await rowOf(openPool(uri), 'SELECT 1 AS one')).toEqual({ one: 1 })
    expect(
      await rowOf(
        openPool(async () => uri),
        'SELECT 1 AS one',
      ),
    ).toEqual({ one: 1 })
  })

  test('leaves the options that it is given as they were', async () => {
    const connection = Object.freeze(connectionTo())
    await sessionId(openPool(connection))
    expect(connection).toEqual(connectionTo())
  })

  test('uses the stream that the options bring', async () => {
    const { connect } = await import('node:net')
    const { host, port } = connectionTo()
    const own = connect({ host, port: Number(port) })
    await sessionId(openPool({ ...connectionTo(), stream: () => own }, { max: 1 }))
    expect(own.bytesWritten).toBeGreaterThan(0)
  })

  test('leaves nothing open when it is aborted half way', async () => {
    const { pool, proxy } = await openRecordedPool('plain', {
      createTimeoutMillis: 200,
      acquireTimeoutMillis: 400,
      backoff: { minMillis: 5_000 },
    })
    await proxy.hold()
    await expect(pool.query('SELECT 1')).rejects.toThrow('took longer than 200 ms')
    await expect
      .poll(async () => (await proxy.connections()).flatMap(({ holders }) => holders))
      .toEqual([])
  })

  test.each([
    ['no such database', { database: 'missing' }, 1049],
    ['a wrong password', { password: 'wrong' }, 1045],
  ])('%s rejects those who wait at once', async (_, change, errno) => {
    const pool = openPool({ ...connectionTo(), ...change }, { acquireTimeoutMillis: 20_000 })
    const error = await pool.query('SELECT 1').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CreateError)
    expect(error).toMatchObject({ cause: { errno } })
  })
})

describe('validate', () => {
  test('distinguishes a live session from a dead one', async () => {
    const client = await openClient()
    expect(await mysqlDriver.validate?.(client)).toBe(true)
    await observe(`KILL ${await sessionId(client)}`)
    await expect(async () => mysqlDriver.validate?.(client)).rejects.toMatchObject({ fatal: true })
  })
})

describe('destroy', () => {
  test('says goodbye to the server, and settles when nothing is left open', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    const id = await sessionId(pool)
    const mark = await proxy.mark()
    await pool.close()
    const [goodbye] = await proxy.records({ since: mark })
    expect(goodbye).toMatchObject({ direction: 'fromClient', bytes: Buffer.from([1, 0, 0, 0, 1]) })
    expect(await sessionsAlive([id])).toEqual([])
  })

  test('waits for no answer', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const lease = await pool.acquire()
    const lost = lease.resource.query('SELECT SLEEP(60)').catch((error: unknown) => error)
    lease.destroy()
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(await lost).toMatchObject({ fatal: true })
  })
})

describe('discard', () => {
  test('is synchronous, and harmless when repeated', async () => {
    const client = await openClient()
    expect(mysqlDriver.discard(client)).toBeUndefined()
    expect(mysqlDriver.discard(client)).toBeUndefined()
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ fatal: true })
  })
})

describe('watch', () => {
  test('an idle session that the server ends is replaced, and the process lives', async () => {
    const pool = openPool(connectionTo(), { max: 2 })
    const ids = await fill(pool, 2)
    const reasons: string[] = []
    pool.on('destroy', ({ reason }) => reasons.push(reason))
    for (const id of ids) await observe(`KILL ${id}`)
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(reasons).toEqual(['lost', 'lost'])
    expect(ids).not.toContain(await sessionId(pool))
  })

  test('a lent session that the server ends frees its slot, even if its holder never releases it', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const lease = await pool.acquire()
    const id = await sessionId(lease.resource)
    await observe(`KILL ${id}`)
    expect(await sessionId(pool)).not.toBe(id)
    expect(() => lease.resource).toThrow('its resource was lost')
    lease.release()
  })
})

test('an idle connection does not hold the process open, and a lent one does', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap')
  const before = sockets().length
  await pool.use(async (client) => {
    await client.query('SELECT 1')
    expect(sockets()).toHaveLength(before + 1)
  })
  expect(sockets()).toHaveLength(before)
})
