import { inChild } from '@forksafe/testkit'
import dns from 'node:dns'
import { getEventListeners } from 'node:events'
import { Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  backendPid,
  connectionTo,
  everyTransport,
  observe,
  openPool,
  openRecordedPool,
  target,
} from './support/pools.ts'

/** What runs on the server now, other than this question. */
async function running(text: string): Promise<number> {
  const rows = await observe(
    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()",
    [`%${text}%`],
  )
  return rows.length
}

test('an aborted query rejects with the reason, and runs on the server no longer', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  const controller = new AbortController()
  const { signal } = controller
  const query = pool.query('SELECT pg_sleep(60), 101', [], { signal })
  await expect.poll(() => running('101')).toBe(1)
  const reason = new Error('changed my mind')
  controller.abort(reason)
  await expect(query).rejects.toBe(reason)
  await expect.poll(() => running('101')).toBe(0)
  // The same connection, and clean.
  expect(await backendPid(pool)).toBe(pid)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a query whose signal has already aborted is not sent', async () => {
  const pool = openPool(connectionTo())
  const signal = AbortSignal.abort(new Error('too late'))
  await expect(pool.query('SELECT 1', [], { signal })).rejects.toThrow('too late')
  expect(pool.stats.size).toBe(0)
})

test('an abort in the moment in which the connection is given ends the query all the same', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const pid = await backendPid(pool)
  for (let turns = 0; turns < 8; turns++) {
    const controller = new AbortController()
    const query = pool.query('SELECT pg_sleep(60), 106', [], { signal: controller.signal })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    controller.abort(new Error('at once'))
    await expect(query).rejects.toThrow('at once')
  }
  expect(await backendPid(pool)).toBe(pid)
  expect(await running('106')).toBe(0)
})

test('an abort while the query waits for a connection leaves the queue', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  using lease = await pool.acquire()
  const controller = new AbortController()
  const query = pool.query('SELECT 1', [], { signal: controller.signal })
  expect(pool.stats.waiting).toBe(1)
  controller.abort(new Error('no longer needed'))
  await expect(query).rejects.toThrow('no longer needed')
  expect(pool.stats.waiting).toBe(0)
  expect(lease.generation).toBe(1)
})

test('a query that is answered is not cancelled by an abort that comes later', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const controller = new AbortController()
  const { signal } = controller
  expect((await pool.query('SELECT 1 AS n', [], { signal })).rows).toEqual([{ n: 1 }])
  const next = pool.query('SELECT pg_sleep(0.3), 2 AS n')
  controller.abort()
  expect((await next).rows).toMatchObject([{ n: 2 }])
})

test('a cancel never strikes the next holder of the connection', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  // The abort comes before, during and after the statement, and the next holder is always waiting.
  for (let round = 0; round < 60; round++) {
    const signal = AbortSignal.timeout(round % 6)
    const aborted = pool.query('SELECT pg_sleep(0.003)', [], { signal }).catch(() => undefined)
    const next = await pool.query<{ n: number }>('SELECT pg_sleep(0.002), $1::int AS n', [round])
    expect(next.rows[0]?.n).toBe(round)
    await aborted
  }
})

test.each(everyTransport)('an abort is passed on over %s', async (transport) => {
  const { pool, proxy } = await openRecordedPool(transport, { max: 1 })
  const pid = await backendPid(pool)
  const controller = new AbortController()
  const query = pool.query('SELECT pg_sleep(60), 102', [], { signal: controller.signal })
  await expect.poll(() => running('102')).toBe(1)
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  await expect.poll(() => running('102')).toBe(0)
  expect(await backendPid(pool)).toBe(pid)
  // Whoever listens in could send the request again, and end what comes later.
  const sent = (await proxy.records()).flatMap((record) =>
    record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes] : [],
  )
  const cancelRequest = Buffer.from([4, 210, 22, 46])
  const inPlain = sent.some((bytes) => bytes.includes(cancelRequest))
  expect(inPlain).toBe(!transport.startsWith('TLS'))
})

test('an abort reaches the server of the connection, even if its name leads to another by now', async () => {
  const { lookup } = dns
  onTestFinished(() => void Object.assign(dns, { lookup }))
  const resolvesTo = (address: string): void => {
    const found = (_: string, options: { all?: boolean }, tell: (...found: unknown[]) => void) =>
      tell(null, ...(options.all ? [[{ address, family: 4 }]] : [address, 4]))
    Object.assign(dns, { lookup: found })
  }
  resolvesTo('127.0.0.1')
  const pool = openPool({ ...connectionTo(), host: 'primary.test' }, { max: 1 })
  const pid = await backendPid(pool)
  Object.assign(dns, { lookup })
  const controller = new AbortController()
  const query = pool.query('SELECT pg_sleep(60), 108', [], { signal: controller.signal })
  await expect.poll(() => running('108')).toBe(1)
  resolvesTo('127.0.0.2')
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  Object.assign(dns, { lookup })
  expect(await backendPid(pool)).toBe(pid)
})

test('an abort takes the way of the `stream` that the configuration brings', async () => {
  // Only the tunnel knows where the server is.
  class Tunnel extends Socket {
    override connect(): this {
      return super.connect(target.port, target.host)
    }
  }
  const given: unknown[] = []
  const stream = (config?: unknown): Socket => {
    given.push(config)
    return new Tunnel()
  }
  const pool = openPool({ ...connectionTo(), host: '127.0.0.1', port: 1, stream }, { max: 1 })
  const pid = await backendPid(pool)
  const controller = new AbortController()
  const query = pool.query('SELECT pg_sleep(60), 107', [], { signal: controller.signal })
  await expect.poll(() => running('107')).toBe(1)
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  await expect.poll(() => running('107')).toBe(0)
  expect(await backendPid(pool)).toBe(pid)
  // As pg calls it, each time.
  for (const config of given) expect(config).toHaveProperty('keepAlive')
  expect(given).toHaveLength(2)
})

test('if the server cannot be reached, the caller does not wait, and the connection is not lent again', async () => {
  const { pool, proxy } = await openRecordedPool('plain', { max: 1, destroyTimeoutMillis: 200 })
  const pid = await backendPid(pool)
  const controller = new AbortController()
  const query = pool.query('SELECT pg_sleep(1), 103', [], { signal: controller.signal })
  await expect.poll(() => running('103')).toBe(1)
  await proxy.refuse()
  controller.abort(new Error('enough'))
  await expect(query).rejects.toThrow('enough')
  await expect.poll(() => pool.stats.size).toBe(0)
  await proxy.accept()
  expect(await backendPid(pool)).not.toBe(pid)
  expect(target.port).not.toBe(proxy.port)
})

test('fifty queries may share a signal, and all of them end with it', async () => {
  const pool = openPool(connectionTo(), { max: 3 })
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  const controller = new AbortController()
  const { signal } = controller
  const queries = Array.from({ length: 50 }, () =>
    pool.query('SELECT pg_sleep(60), 104', [], { signal }).catch((error: unknown) => error),
  )
  await expect.poll(() => running('104')).toBe(3)
  controller.abort('enough')
  expect(new Set(await Promise.all(queries))).toEqual(new Set(['enough']))
  await expect.poll(() => running('104')).toBe(0)
  process.off('warning', warn)
  expect(warnings).toEqual([])
})

test.each([true, false])(
  'an abort in a forked child cancels nothing of its parent’s (afterFork: %s)',
  async (afterFork) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const controller = new AbortController()
    const query = pool.query('SELECT pg_sleep(0.5), 105 AS n', [], { signal: controller.signal })
    const answer = query.catch((error: Error) => error.message)
    await expect.poll(() => running('105')).toBe(1)
    const inTheChild = await inChild(
      async () => {
        controller.abort(new Error('aborted in the child'))
        // Long enough for a request to be sent and heard.
        await new Promise((resolve) => setTimeout(resolve, 150))
        return answer
      },
      { afterFork },
    )
    expect(inTheChild).toEqual(expect.any(String))
    expect(await answer).toMatchObject({ rows: [{ n: 105 }] })
  },
)
