import { PoolError } from '@forksafe/core'
import { startPostgres } from '@forksafe/scripts/postgres'
import { startRecordingProxy } from '@forksafe/testkit'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openPool } from './support/pools.ts'

const CALLERS = 200
const STORM_MILLIS = 8_000

test('200 callers get right answers or errors, and nothing is lost, while the server and the network fail', async () => {
  const server = await startPostgres({ source: 'machine' }).catch(() =>
    startPostgres({ source: 'embedded' }),
  )
  onTestFinished(() => server.stop())
  const proxy = await startRecordingProxy({ port: server.port })
  onTestFinished(() => proxy.stop())
  const pool = openPool(
    { host: proxy.host, port: proxy.port, user: server.user, database: server.database },
    {
      max: 10,
      min: 2,
      acquireTimeoutMillis: 1_000,
      createTimeoutMillis: 500,
      validateTimeoutMillis: 300,
      destroyTimeoutMillis: 300,
      maxLifetimeMillis: 1_000,
      backoff: { maxMillis: 200 },
    },
  )
  let mostOpen = 0
  pool.on('create', () => (mostOpen = Math.max(mostOpen, pool.stats.size)))

  const tally = { right: 0, wrong: 0, refused: 0, failed: 0 }
  interface Patience {
    readonly answerMillis: number
    readonly timeoutMillis?: number
    readonly signal?: AbortSignal | undefined
  }
  async function call(tag: string, { answerMillis, ...options }: Patience): Promise<void> {
    const outcome = await pool
      .use(async (client, lease) => {
        // A black hole swallows the answer: whoever can wait no longer gives the connection back as broken.
        const late = setTimeout(() => lease.destroy(new Error('too late')), answerMillis)
        const { rows } = await client
          .query<{ tag: string }>('SELECT $1 AS tag', [tag])
          .finally(() => clearTimeout(late))
        return rows[0]?.tag
      }, options)
      .catch((error: unknown) => error)
    if (outcome === tag) tally.right++
    else if (!(outcome instanceof Error)) tally.wrong++
    else if (outcome instanceof PoolError || outcome === options.signal?.reason) tally.refused++
    else tally.failed++
  }

  const over = new AbortController()
  async function caller(number: number): Promise<void> {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const signal = turn % 20 === 19 ? AbortSignal.timeout(5) : undefined
      await call(`${number}/${turn}`, { answerMillis: 400, signal })
      await sleep(Math.random() * 5)
    }
  }
  async function calm(when: string): Promise<{ heapMegabytes: number; files: number }> {
    // A server that was started anew a moment ago, on a busy machine, has time.
    const patience = { answerMillis: 20_000, timeoutMillis: 20_000 }
    await Promise.all(Array.from({ length: CALLERS }, (_, n) => call(`${when}/${n}`, patience)))
    await expect.poll(() => pool.stats.size - pool.stats.idle).toBe(0)
    global.gc?.()
    return {
      heapMegabytes: process.memoryUsage().heapUsed / 2 ** 20,
      // Connections come and go with their lifetime.
      files: readdirSync('/proc/self/fd').length - pool.stats.size,
    }
  }

  const faults = [
    () => proxy.cut(),
    () => proxy.cut({ how: 'end' }),
    () =>
      proxy
        .hold()
        .then(() => sleep(600))
        .then(() => proxy.resume()),
    () =>
      proxy
        .delay(20)
        .then(() => sleep(300))
        .then(() => proxy.delay(0)),
    () =>
      proxy
        .refuse()
        .then(() => sleep(300))
        .then(() => proxy.accept()),
    () => server.restart('immediate'),
    () => server.restart('fast'),
    async () => pool.recycle(),
    async () => pool.resize({ max: 4 }),
    async () => pool.resize({ max: 10 }),
  ]
  async function storm(): Promise<void> {
    const until = performance.now() + STORM_MILLIS
    for (let n = 0; performance.now() < until; n++) {
      await faults[n % faults.length]?.()
      await sleep(100)
    }
    over.abort()
  }
  const before = await calm('before')
  const callers = Array.from({ length: CALLERS }, (_, number) => caller(number))
  await storm()
  await Promise.all(callers)
  pool.resize({ max: 10 })

  expect(tally.wrong).toBe(0)
  expect(tally.right).toBeGreaterThan(CALLERS)
  expect(tally.refused + tally.failed).toBeGreaterThan(0)
  expect(mostOpen).toBeLessThanOrEqual(10)
  await expect.poll(() => pool.stats.size - pool.stats.idle).toBe(0)
  expect(pool.stats).toMatchObject({ borrowed: 0, waiting: 0, creating: 0, destroying: 0 })

  // What the storm left behind would show against the calm before it.
  const { right } = tally
  const after = await calm('after')
  expect(tally.right).toBe(right + CALLERS)
  expect(after.files).toBeLessThanOrEqual(before.files)
  expect(after.heapMegabytes - before.heapMegabytes).toBeLessThan(5)
  await pool.close()
  expect(pool.stats.size).toBe(0)
}, 60_000)
