import { createForkSafePool, LeaseReleasedError } from '@forksafe/core'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { once } from 'node:events'
import { type AddressInfo, createServer, Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CommitUnknownError, pgDriver, type PgPool } from '../src/index.ts'
import { useOwnServer } from './support/own-server.ts'
import {
  backendPid,
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  target,
} from './support/pools.ts'

// An abort frees the place of its connection within 3 seconds, whatever the network, the server or the work does. These tests
// check that it happens, not how long it takes: nothing else would end these connections for minutes.

const options = { max: 1, acquireTimeoutMillis: 20_000, destroyTimeoutMillis: 600_000 }

/** Of this machine, so that its processes can be stopped. */
const own = useOwnServer()

/** Drops what passes on the connections that exist, as a router does that has lost its table. New ones work. */
async function forgetConnections(proxy: RecordingProxy): Promise<void> {
  for (const { id, open } of await proxy.connections()) {
    if (open) await proxy.hold({ connection: id })
  }
}

const TIMED_OUT = { name: 'TimeoutError' }

/** A signal that has aborted a while after it was asked for. */
function soon(): AbortSignal {
  return AbortSignal.timeout(200)
}

/** A signal that aborts a while after `begin` is called. */
function later(): { signal: AbortSignal; begin: () => void } {
  const controller = new AbortController()
  const begin = (): void => {
    const timeout = soon()
    timeout.addEventListener('abort', () => controller.abort(timeout.reason))
  }
  return { signal: controller.signal, begin }
}

async function expectServed(pool: PgPool, before: number): Promise<void> {
  expect(await backendPid(pool)).not.toBe(before)
  expect(pool.stats).toMatchObject({ size: 1, borrowed: 0, waiting: 0 })
}

describe('a router that drops existing connections and accepts new ones', () => {
  test('does not keep the place of an aborted query', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const pid = await backendPid(pool)
    await forgetConnections(proxy)
    await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, pid)
  })

  test('does not keep the place of an aborted transaction that waits for an answer', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const pid = await backendPid(pool)
    const { signal, begin } = later()
    let answer: Promise<unknown> = Promise.resolve()
    const work = pool.transaction(
      async (client) => {
        await forgetConnections(proxy)
        answer = client.query('SELECT 1').catch((error: unknown) => error)
        begin()
        await answer
      },
      { signal },
    )
    await expect(work).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, pid)
    expect(await answer).toBeInstanceOf(Error)
  })

  test('frees the slot of a transaction that is aborted during COMMIT, and reports the outcome as unknown', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const pid = await backendPid(pool)
    const controller = new AbortController()
    const { signal } = controller
    const work = pool.transaction(() => forgetConnections(proxy), { signal })
    work.catch(() => undefined)
    const isCommitting = async (): Promise<boolean> =>
      (await proxy.records()).some(
        (record) => record.kind === 'data' && record.bytes.includes('COMMIT'),
      )
    await expect.poll(isCommitting).toBe(true)
    controller.abort()
    await expect(work).rejects.toBeInstanceOf(CommitUnknownError)
    await expectServed(pool, pid)
  })
})

test('an abort frees the slot although the network drops everything', async () => {
  const { pool, proxy } = await openRecordedPool('plain', options)
  const pid = await backendPid(pool)
  await proxy.hold()
  await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
  await expect.poll(() => pool.stats.size).toBe(0)
  await proxy.resume()
  await expectServed(pool, pid)
})

test('an abort frees the slot of a transaction whose work ignores it, although the network drops everything', async () => {
  const { pool, proxy } = await openRecordedPool('plain', options)
  const pid = await backendPid(pool)
  const { signal, begin } = later()
  const work = pool.transaction(
    async () => {
      await proxy.hold()
      begin()
      await new Promise(() => undefined)
    },
    { signal },
  )
  await expect(work).rejects.toMatchObject(TIMED_OUT)
  await expect.poll(() => pool.stats.size).toBe(0)
  await proxy.resume()
  await expectServed(pool, pid)
})

test('an abort frees the slot of a stopped backend', async () => {
  const pool = openPool(own().connection, options)
  const pid = await backendPid(pool)
  process.kill(pid, 'SIGSTOP')
  onTestFinished(() => void process.kill(pid, 'SIGCONT'))
  await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
  await expectServed(pool, pid)
})

test('an abort frees the slot although the cancel request is answered and ignored', async () => {
  const ignoring = createServer((socket) => void socket.once('data', () => socket.end()))
  await once(ignoring.listen(0, target.host), 'listening')
  onTestFinished(() => void ignoring.close())
  const { port } = ignoring.address() as AddressInfo
  let opened = 0
  class Rerouted extends Socket {
    override connect(): this {
      // The second is that of the cancel request.
      return super.connect(++opened === 2 ? port : target.port, target.host)
    }
  }
  const pool = openPool({ ...connectionTo(), stream: () => new Rerouted() }, options)
  const pid = await backendPid(pool)
  const signal = soon()
  const query = pool.query('SELECT pg_sleep(600)', [], { signal })
  await expect(query).rejects.toMatchObject(TIMED_OUT)
  await expectServed(pool, pid)
  expect(opened).toBe(3)
  await observe('SELECT pg_terminate_backend($1)', [pid])
})

test('work that ignores the abort loses its connection, and commits nothing', async () => {
  const pool = openPool(connectionTo(), options)
  const pid = await backendPid(pool)
  await observe('CREATE TABLE ignoring (n int)')
  onTestFinished(async () => void (await observe('DROP TABLE ignoring')))
  const { signal, begin } = later()
  let late: Promise<unknown> = Promise.resolve()
  const work = pool.transaction(
    async (client, savepoint) => {
      await client.query('INSERT INTO ignoring VALUES (1)')
      late = (async () => {
        while (pool.stats.borrowed > 0) await setTimeout(20)
        const refused = [
          await client.query('INSERT INTO ignoring VALUES (2)').catch((error: Error) => error),
          await savepoint(async () => 1).catch((error: Error) => error),
        ]
        return refused
      })()
      begin()
      await late
    },
    { signal },
  )
  await expect(work).rejects.toMatchObject(TIMED_OUT)
  expect(await late).toEqual([expect.any(Error), expect.any(LeaseReleasedError)])
  await expectServed(pool, pid)
  expect(await observe('SELECT * FROM ignoring')).toEqual([])
})

test('a cancel request that never gets through does not keep a pool from closing', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const pool = createForkSafePool(pgDriver, { connection: connectionTo({ proxy }), ...options })
  await backendPid(pool)
  await proxy.hold()
  await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
  await pool.close({ deadlineMillis: 20_000 })
  expect(pool.stats.size).toBe(0)
})
