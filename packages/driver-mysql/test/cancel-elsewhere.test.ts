import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import dns from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import mysql, { type Connection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { MysqlPool } from '../src/index.ts'
import { connectionTo, openPool, sessionId } from './support/pools.ts'

/** Aborts a statement while it runs, and waits until the pool is of use again. */
async function abort(pool: MysqlPool, sql: string, values: unknown[] = []): Promise<void> {
  const controller = new AbortController()
  const query = pool.execute(sql, values as never, { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 200)
  await expect(query).rejects.toThrow('enough')
  await pool.query('SELECT 1')
}

/** Why resources of the pool are destroyed from now on. */
function reasonsOf(pool: MysqlPool): unknown[] {
  const reasons: unknown[] = []
  pool.on('destroy', ({ error }) => reasons.push((error as Error | undefined)?.message))
  return reasons
}

describe('behind a balancer', () => {
  let servers: MariadbServer[] = []
  beforeAll(async () => {
    const start = (): Promise<MariadbServer> => startMariadb({ own: true, tls: false })
    servers = await Promise.all([start(), start()])
  })
  afterAll(() => Promise.all(servers.map((server) => server.stop())))

  /** What is behind it, `to` says of the connections to come. */
  async function balance(): Promise<{ port: number; to: (server: number) => void }> {
    const ends: Socket[] = []
    let behind = 0
    const balancer = createServer((near) => {
      const { host, port } = servers[behind] as MariadbServer
      const far = connect(port, host)
      ends.push(near, far)
      near.pipe(far).pipe(near)
      near.on('error', () => far.destroy())
      far.on('error', () => near.destroy())
    })
    balancer.listen(0, '127.0.0.1')
    await once(balancer, 'listening')
    onTestFinished(() => {
      for (const end of ends) end.destroy()
      balancer.close()
    })
    const { port } = balancer.address() as AddressInfo
    return { port, to: (server) => void (behind = server) }
  }

  function openPoolTo(port: number): MysqlPool {
    const { host, user } = servers[0] as MariadbServer
    return openPool({ host, user, port }, { max: 1 })
  }

  /** Somebody else on the second server, whose session there has the number of the one behind `pool` on the first. */
  async function stranger(pool: MysqlPool): Promise<Connection> {
    const { host, port, user } = servers[1] as MariadbServer
    for (;;) {
      const other = await mysql.createConnection({ host, port, user })
      while ((await sessionId(pool)) < other.threadId) pool.recycle()
      if ((await sessionId(pool)) === other.threadId) {
        onTestFinished(() => other.end())
        return other
      }
      await other.end()
    }
  }

  test('a cancel that reaches another server ends nothing there, and the connection is replaced', async () => {
    const { port, to } = await balance()
    const pool = openPoolTo(port)
    const other = await stranger(pool)
    const theirs = other.query('SELECT SLEEP(1) AS interrupted')
    const reasons = reasonsOf(pool)
    to(1)
    await abort(pool, 'SELECT SLEEP(2)')
    expect((await theirs)[0]).toEqual([{ interrupted: 0 }])
    expect(reasons).toEqual(['The connection to cancel by reached another server.'])
  })

  test('a cancel checks which statement runs on the server that it reaches', async () => {
    const { port } = await balance()
    const pool = openPoolTo(port)
    const id = await sessionId(pool)
    await abort(pool, ' SELECT SLEEP(?), ? ; ', [60, 'a'])
    expect(await sessionId(pool)).toBe(id)
  })
})

test('a cancel goes to the server that the statement was sent to, whatever its host name stands for by then', async () => {
  let address = '127.0.0.1'
  type Found = (error: null, addresses: unknown, family?: number) => void
  const lookup = ((_host: string, { all }: { all?: boolean }, found: Found) =>
    all ? found(null, [{ address, family: 4 }]) : found(null, address, 4)) as never
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(lookup)
  onTestFinished(() => spy.mockRestore())
  const pool = openPool({ ...connectionTo(), host: 'db.example' }, { max: 1 })
  const id = await sessionId(pool)
  // Where nobody listens.
  address = '127.0.0.99'
  await abort(pool, 'SELECT SLEEP(60), 108')
  expect(await sessionId(pool)).toBe(id)
})

test('an abort ends the connection if its `stream` is an object, which cannot serve a second connection', async () => {
  const { host, port, ...rest } = connectionTo()
  const make = (): object => ({ ...rest, stream: connect({ host, port: Number(port) }) })
  const pool = openPool(make, { max: 1 })
  const id = await sessionId(pool)
  const reasons = reasonsOf(pool)
  await abort(pool, 'SELECT SLEEP(1), 109')
  expect(reasons).toEqual([expect.stringContaining('Its `stream` is no function')])
  expect(await sessionId(pool)).not.toBe(id)
})
