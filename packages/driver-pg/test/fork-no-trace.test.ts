import { afterFork, defineDriver } from '@forksafe/core'
import { proves } from '@forksafe/scripts/proof'
import { fork, inChild, type RecordingProxy } from '@forksafe/testkit'
import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type PgConnection, pgDriver } from '../src/index.ts'
import { expectSilentChild, type Notice, openWatchedPool, outcomeOf } from './support/forked.ts'
import {
  backendPid,
  connectionTo,
  everyTransport,
  fill,
  openPool,
  sessionsAlive,
  startProxy,
} from './support/pools.ts'
import { isRunning } from '@forksafe/scripts/forked'

// What is left of the old generation in a child: nothing. What a parent notices of its children: nothing.

describe.each(everyTransport)('over %s', (transport) => {
  let proxy: RecordingProxy
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ proxy, stop } = await startProxy(transport))
  })
  afterAll(() => stop())

  describe.each<Notice>(['hooked', 'unhooked'])('a child that is %s', (notice) => {
    test(
      'can collect every client and socket that it inherited, and the parent keeps them',
      proves({ parent: ['generation'], [notice]: ['generation'] }),
      async () => {
        const clients: WeakRef<Client>[] = []
        const driver = defineDriver({
          ...pgDriver,
          async create(connection: PgConnection, context: { signal: AbortSignal }) {
            const client = await pgDriver.create(connection, context)
            clients.push(new WeakRef(client))
            return client
          },
        })
        const watched = openWatchedPool(proxy, transport, { max: 3 }, { driver })
        const { pool, sockets } = watched
        const sessions = await fill(pool, 3)
        const leases = [await pool.acquire(), await pool.acquire()]
        const inherited = [...clients, ...sockets]
        const alive = (): number => {
          globalThis.gc?.()
          return inherited.filter((reference) => reference.deref() !== undefined).length
        }
        const look = async () => {
          leases.length = 0
          await expect.poll(alive).toBe(0)
          return pool.stats
        }
        const { found } = await expectSilentChild(watched, notice, { look })
        expect(found).toMatchObject({ generation: 2, size: 1 })
        expect(alive()).toBe(6)
        for (const lease of leases) lease.release()
        expect(await fill(pool, 3)).toEqual(sessions)
      },
    )
  })
})

describe.each<Notice>(['hooked', 'unhooked'])('a child that is %s', (notice) => {
  test(
    'keeps listeners, options and methods, and no listener for what it no longer waits for',
    proves({ parent: ['listeners'], [notice]: ['listeners'] }),
    async () => {
      const { proxy, stop } = await startProxy('plain')
      onTestFinished(stop)
      const watched = openWatchedPool(proxy, 'plain', { name: 'kept', max: 1 })
      const { pool } = watched
      const heard: unknown[] = []
      pool.on('processChange', (change) => heard.push(change))
      const lease = await pool.acquire()
      const { signal } = new AbortController()
      const waiting = pool.acquire({ signal })
      const listening = () => getEventListeners(signal, 'abort').length
      const ofProcess = () => process.eventNames().map((event) => process.listenerCount(event))
      expect(listening()).toBe(1)
      const look = async () => ({
        waiting: await outcomeOf(waiting),
        listening: listening(),
        heard,
        one: (await pool.query('SELECT 1 AS one')).rows,
        stats: pool.stats,
      })
      const before = ofProcess()
      const { found } = await expectSilentChild(watched, notice, { look })
      expect(found).toMatchObject({
        waiting: 'StaleResourceError',
        listening: 0,
        heard: [{ reason: 'fork', incarnation: expect.any(Number), generation: 2, discarded: 1 }],
        one: [{ one: 1 }],
        stats: { name: 'kept', max: 1 },
      })
      expect(heard).toEqual([])
      expect(listening()).toBe(1)
      expect(ofProcess()).toEqual(before)
      lease.release()
      ;(await waiting).release()
    },
  )
})

test('after 500 generations a child has no more descriptors and no more memory than before', async () => {
  const transport = everyTransport.includes('Unix socket') ? 'Unix socket' : 'plain'
  const pool = openPool(connectionTo({ transport }), { max: 1 })
  await backendPid(pool)
  const measure = async () => {
    for (let n = 0; n < 3; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      globalThis.gc?.()
    }
    return {
      descriptors: readdirSync('/proc/self/fd').length,
      bytes: process.memoryUsage().heapUsed,
    }
  }
  const live = async (generations: number) => {
    for (let n = 0; n < generations; n++) {
      await pool.query('SELECT 1')
      // To the pool it is a fork like any other; to the server, as if the only holder had died.
      afterFork()
    }
  }
  const [early, late, generation] = await inChild(
    async () => {
      // Until all code is warm.
      await live(300)
      const early = await measure()
      await live(200)
      return [early, await measure(), pool.stats.generation] as const
    },
    { timeoutMillis: 55_000 },
  )
  expect(generation).toBe(502)
  expect(late.descriptors).toBe(early.descriptors)
  // A generation that is kept has tens of thousands of bytes.
  expect((late.bytes - early.bytes) / 200).toBeLessThan(2_000)
  expect(pool.stats.generation).toBe(1)
})

test('a parent under load is unaffected by 20 children that come and go', async () => {
  const pool = openPool(connectionTo(), { max: 5 })
  const sessions = await fill(pool, 5)
  const events: unknown[] = []
  for (const event of ['create', 'createError', 'destroy', 'hookError', 'processChange'] as const) {
    pool.on(event, (details) => events.push(details))
  }
  let answers = 0
  const load = { on: true }
  const answerAll = async (worker: number): Promise<void> => {
    const statement = { name: `worker_${worker}`, text: 'SELECT $1::int AS worker, $2::int AS n' }
    for (let n = 0; load.on; n++) {
      const { rows } = await pool.query(statement, [worker, n])
      expect(rows).toEqual([{ worker, n }])
      const within = await pool.transaction(async (client) => {
        const text = 'SELECT txid_current()::text AS tx'
        const before = await client.query(text)
        expect((await client.query(text)).rows).toEqual(before.rows)
        return before.rows
      })
      expect(within).toHaveLength(1)
      answers++
    }
  }
  const loads = Array.from({ length: 10 }, (_, worker) => answerAll(worker))
  // In a child the load ends with the answers that it no longer gets, and nobody is there to hear of it.
  const loadEnded = Promise.all(loads)

  const children: number[] = []
  for (let n = 0; n < 20; n++) {
    const before = answers
    const child = await fork(() => backendPid(pool), { afterFork: n % 2 === 0 })
    children.push(await child.result)
    await expect.poll(() => answers, { interval: 1 }).toBeGreaterThan(before)
  }
  load.on = false
  await loadEnded
  expect(new Set([...children, ...sessions]).size).toBe(25)
  expect(await fill(pool, 5)).toEqual(sessions)
  expect(events).toEqual([])
  expect(pool.stats).toMatchObject({ generation: 1, size: 5, idle: 5, waiting: 0 })
  await expect.poll(() => sessionsAlive(children)).toEqual([])
})

test.each([
  { afterFork: true, held: 'at once' },
  { afterFork: false, held: 'with the child, where that has noticed nothing' },
])('the sessions of a parent that dies first end $held', async ({ afterFork }) => {
  const pool = openPool(connectionTo(), { max: 3 })
  const { sessions, survivor } = await inChild(async () => {
    const sessions = await fill(pool, 3)
    const options = { afterFork, outlivesParent: true }
    const { pid } = await fork(() => new Promise((resolve) => setTimeout(resolve, 5_000)), options)
    return { sessions, survivor: pid }
  })
  if (afterFork) await expect.poll(() => sessionsAlive(sessions)).toEqual([])
  else expect(await sessionsAlive(sessions)).toEqual(sessions)
  expect(isRunning(survivor)).toBe(true)
  process.kill(survivor, 'SIGKILL')
  await expect.poll(() => sessionsAlive(sessions)).toEqual([])
})
