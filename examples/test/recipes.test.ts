import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPostgres } from '@forksafe/scripts/postgres'
import { inChild } from '@forksafe/testkit'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type * as Recipes from '../src/recipes/pool.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let recipes: typeof Recipes
beforeAll(async () => {
  server = await startPostgres({ own: true, roles: { app: 'secret' } })
  vi.stubEnv('DATABASE_URL', server.url)
  recipes = await import('../src/recipes/pool.ts')
  await recipes.pool.query('create table account (owner text primary key, balance int)')
  await recipes.pool.query("insert into account values ('ann', 100), ('bob', 50)")
})
afterAll(async () => {
  await recipes?.pool.close()
  await server?.stop()
})
afterEach(() => vi.unstubAllEnvs())

test('a function accepts the pool or the client of a transaction', async () => {
  const { balanceOf } = await import('../src/recipes/queryable.ts')
  expect(await balanceOf(recipes.pool, 'ann')).toBe(100)
  await recipes.pool.transaction(async (client) => {
    await client.query("update account set balance = 90 where owner = 'ann'")
    expect(await balanceOf(client, 'ann')).toBe(90)
    expect(await balanceOf(recipes.pool, 'ann')).toBe(100)
    await client.query("update account set balance = 100 where owner = 'ann'")
  })
})

test('a listener continues after its connection was lost, and in a forked child', async () => {
  const { listen } = await import('../src/recipes/listen.ts')
  const { pool } = recipes
  const listening = "select pid from pg_stat_activity where query like 'listen %'"
  const pids = async () => (await pool.query<{ pid: number }>(listening)).rows.map(({ pid }) => pid)
  const heard: (string | undefined)[] = []
  const abort = new AbortController()
  const done = listen('jobs', (payload) => heard.push(payload), abort.signal)
  onTestFinished(() => abort.abort())

  await expect.poll(pids).toHaveLength(1)
  const [first] = await pids()
  await pool.query("notify jobs, 'one'")
  await expect.poll(() => heard).toEqual(['one'])

  await pool.query('select pg_terminate_backend($1)', [first])
  await expect.poll(async () => (await pids())[0]).not.toBe(first)
  await expect.poll(pids).toHaveLength(1)
  const parents = await pids()
  await pool.query("notify jobs, 'two'")
  await expect.poll(() => heard).toEqual(['one', 'two'])

  const inTheChild = await inChild(async () => {
    while ((await pids()).length < 2) await new Promise((next) => setTimeout(next, 20))
    await pool.query("notify jobs, 'three'")
    while (heard.length < 3) await new Promise((next) => setTimeout(next, 20))
    return heard
  })
  expect(inTheChild).toEqual(['one', 'two', 'three'])
  await expect.poll(() => heard).toEqual(['one', 'two', 'three'])
  // The server may not have noticed the exit of the child yet.
  await expect.poll(pids).toEqual(parents)

  abort.abort()
  await done
  await expect.poll(pids).toEqual([])
})

test('a pool that is busy is a 503 with Retry-After, and any other error is passed on', async () => {
  const { isBusy, whenBusy } = await import('../src/recipes/http.ts')
  expect(isBusy(new RangeError('a bug'))).toBe(false)
  const { pool } = recipes
  const leases = await Promise.all(Array.from({ length: pool.stats.max }, () => pool.acquire()))
  onTestFinished(() => {
    for (const lease of leases) lease.release()
  })
  const http = createServer((request, response) => {
    const answer =
      request.url === '/busy'
        ? pool.use(() => undefined, { timeoutMillis: 1 })
        : Promise.reject(new RangeError('a bug'))
    answer.catch((error: unknown) =>
      whenBusy(error, request, response, (error) => {
        response.writeHead(500).end(String(error))
      }),
    )
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void http.close())
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const busy = await fetch(`${url}/busy`)
  expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '5'])
  const bug = await fetch(`${url}/bug`)
  expect([bug.status, await bug.text()]).toEqual([500, 'RangeError: a bug'])
})

test('a process is ready while the server answers', async () => {
  const { ready } = await import('../src/recipes/http.ts')
  expect(await ready()).toBe(true)
  await server.stopServer()
  expect(await ready()).toBe(false)
  await server.startServer()
  await expect.poll(ready).toBe(true)
})

test('a named statement is prepared once for each connection', async () => {
  const { balanceOf } = await import('../src/recipes/statements.ts')
  expect(await balanceOf('bob')).toBe(50)
  expect(await balanceOf('nobody')).toBeUndefined()
  const prepared = "select name from pg_prepared_statements where name = 'balance-of'"
  expect((await recipes.pool.query(prepared)).rows).toHaveLength(1)
})

test('a tenant sees only its own rows, and the next holder of the connection has no tenant', async () => {
  const { asTenant } = await import('../src/recipes/statements.ts')
  const { pool } = recipes
  const tenant = "select current_setting('app.tenant', true) as tenant"
  expect((await asTenant('t1', (db) => db.query(tenant))).rows).toEqual([{ tenant: 't1' }])
  expect((await pool.query(tenant)).rows).toEqual([{ tenant: '' }])
})

test('a managed database is reached over TLS, with its own certificate and a token', async () => {
  const file = join(server.folder ?? '', 'ca-of-the-recipe.pem')
  await writeFile(file, server.ca ?? '')
  vi.stubEnv('DATABASE_HOST', 'localhost')
  vi.stubEnv('DATABASE_PORT', String(server.port))
  vi.stubEnv('DATABASE_USER', 'app')
  vi.stubEnv('DATABASE_NAME', server.database)
  vi.stubEnv('DATABASE_PASSWORD', 'secret')
  vi.stubEnv('DATABASE_CA', file)
  const { pool } = await import('../src/recipes/tls.ts')
  onTestFinished(() => pool.close())
  const { rows } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
  expect(rows).toEqual([{ ssl: true }])
})

test('the changes of a test are undone, and its failure is reported', async () => {
  const { undone } = await import('../src/recipes/undone.ts')
  const { balanceOf } = await import('../src/recipes/queryable.ts')
  await undone(async (db) => {
    await db.query("update account set balance = 0 where owner = 'bob'")
    expect(await balanceOf(db, 'bob')).toBe(0)
  })
  expect(await balanceOf(recipes.pool, 'bob')).toBe(50)
  await expect(undone(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
})

test('each acquire is recorded with its outcome', async () => {
  const { measureWaits } = await import('../src/recipes/metrics.ts')
  const record = vi.fn<Parameters<typeof measureWaits>[0]>()
  measureWaits(record)
  await recipes.pool.query('select 1')
  const seconds = expect.closeTo(0, 0) as number
  expect(record).toHaveBeenCalledExactlyOnceWith(seconds, { pool: 'pg', outcome: 'ok' })
})

test('a readiness probe answers whether a connection works, and why not', async () => {
  const { answerProbe } = await import('../src/recipes/health.ts')
  const probe = createServer((_request, response) => void answerProbe(response))
  probe.listen(0, '127.0.0.1')
  await once(probe, 'listening')
  onTestFinished(() => {
    probe.closeAllConnections()
    probe.close()
  })
  const { port } = probe.address() as AddressInfo
  const answer = async (): Promise<unknown[]> => {
    const response = await fetch(`http://127.0.0.1:${port}`)
    return [response.status, await response.text()]
  }
  expect(await answer()).toEqual([200, 'ready'])
  const { pool } = recipes
  const leases = await Promise.all(Array.from({ length: pool.stats.max }, () => pool.acquire()))
  expect(await answer()).toEqual([503, 'busy'])
  for (const lease of leases) lease.release()
})

test('OpenTelemetry needs one call', async () => {
  const { instrumentation } = await import('../src/otel.ts')
  expect(await recipes.pool.query('select 1')).toHaveProperty('rowCount', 1)
  instrumentation.disable()
})

test('an add-on that forks makes the pools of the child discard first', async () => {
  const { forkWorker } = await import('../src/recipes/add-on.ts')
  const { pool } = recipes
  await pool.query('select 1')
  const inTheChild = await inChild(
    () => {
      const sizes: number[] = [pool.stats.size]
      forkWorker({ fork: () => 0 }, () => sizes.push(pool.stats.size))
      return sizes
    },
    { afterFork: false },
  )
  expect(inTheChild[1]).toBe(0)
  const parents: number[] = []
  expect(forkWorker({ fork: () => 4711 }, () => parents.push(1))).toBe(4711)
  expect(parents).toEqual([])
})

test('a module that is reloaded keeps the same pool', async () => {
  vi.stubEnv('DATABASE_URL', server.url)
  const first = await import('../src/recipes/hot-reload.ts')
  vi.resetModules()
  const second = await import('../src/recipes/hot-reload.ts')
  expect(second).not.toBe(first)
  expect(second.pool).toBe(first.pool)
  expect((await second.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await first.pool.close()
})
