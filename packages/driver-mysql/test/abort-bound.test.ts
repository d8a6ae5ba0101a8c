import { startMariadb } from '@forksafe/scripts/mariadb'
import type { RecordingProxy } from '@forksafe/testkit'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CommitUnknownError, type MysqlPool } from '../src/index.ts'
import {
  connectionTo,
  observe,
  openPool,
  openRecordedPool,
  running,
  sessionId,
  table,
} from './support/pools.ts'

// An abort frees the place of its connection within 3 seconds, whatever the network, the server or a file does. These tests check
// that it happens, not how long it takes: nothing else would end these connections for minutes.

const options = { max: 1, acquireTimeoutMillis: 20_000, destroyTimeoutMillis: 600_000 }
const TIMED_OUT = { name: 'TimeoutError' }

/** A signal that has aborted a while after it was asked for. */
const soon = (): AbortSignal => AbortSignal.timeout(200)

/** A signal that aborts a while after `begin` is called. */
function later(): { signal: AbortSignal; begin: () => void } {
  const controller = new AbortController()
  const begin = (): void => {
    const timeout = soon()
    timeout.addEventListener('abort', () => controller.abort(timeout.reason))
  }
  return { signal: controller.signal, begin }
}

/** Drops what passes on the connections that exist, as a router does that has lost its table. New ones work. */
async function forgetConnections(proxy: RecordingProxy): Promise<void> {
  for (const { id, open } of await proxy.connections()) {
    if (open) await proxy.hold({ connection: id })
  }
}

async function expectServed(pool: MysqlPool, before: number): Promise<void> {
  expect(await sessionId(pool)).not.toBe(before)
  expect(pool.stats).toMatchObject({ size: 1, borrowed: 0, waiting: 0 })
}

describe('a file that comes no further', () => {
  const rows = Array.from({ length: 1_000 }, (_, n) => `${n}\n`).join('')
  const load = (name: string, source: PassThrough) => ({
    sql: `LOAD DATA LOCAL INFILE 'stalled' INTO TABLE ${name}`,
    infileStreamFactory: () => source,
  })
  const sourceOf = (): PassThrough => {
    const source = new PassThrough()
    source.write(rows)
    onTestFinished(() => void source.destroy())
    return source
  }

  test('frees the slot of its connection, and its row is not in the table', async () => {
    const pool = openPool(connectionTo(), options)
    const name = await table('stalled_file')
    const id = await sessionId(pool)
    const source = sourceOf()
    const loading = pool.query(load(name, source), undefined, { signal: soon() })
    await expect(loading).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, id)
    expect(source.destroyed).toBe(true)
    await expect.poll(() => running('stalled')).toBe(0)
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
  })

  test('frees the slot of its transaction', async () => {
    const pool = openPool(connectionTo(), options)
    const name = await table('stalled_transaction')
    const id = await sessionId(pool)
    const { signal, begin } = later()
    const transaction = pool.transaction(
      async (client) => {
        await client.query(`INSERT INTO ${name} VALUES (1)`)
        const loading = client.query(load(name, sourceOf()))
        begin()
        await loading
      },
      { signal },
    )
    await expect(transaction).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, id)
    await expect.poll(() => running('stalled')).toBe(0)
    expect(await observe(`SELECT * FROM ${name}`)).toEqual([])
  })

  test('ends as it should, if nothing aborts', async () => {
    const pool = openPool(connectionTo(), options)
    const name = await table('whole_file')
    const id = await sessionId(pool)
    const source = sourceOf()
    source.end()
    await pool.query(load(name, source), undefined, { signal: AbortSignal.timeout(20_000) })
    expect(await observe(`SELECT COUNT(*) AS n FROM ${name}`)).toEqual([{ n: 1_000 }])
    expect(await sessionId(pool)).toBe(id)
  })
})

describe('a router that drops existing connections and accepts new ones', () => {
  test.each(['query', 'execute'] as const)(
    'does not keep the place of an aborted `%s`',
    async (verb) => {
      const { pool, proxy } = await openRecordedPool('plain', options)
      const id = await sessionId(pool)
      await forgetConnections(proxy)
      const asked = pool[verb]('SELECT 1', [], { signal: soon() })
      await expect(asked).rejects.toMatchObject(TIMED_OUT)
      await expectServed(pool, id)
    },
  )

  test('does not keep the place of an aborted stream', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const id = await sessionId(pool)
    await forgetConnections(proxy)
    const reading = async (): Promise<void> => {
      for await (const _ of pool.stream('SELECT 1', [], { signal: soon() }));
    }
    await expect(reading()).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, id)
  })

  test('does not keep the place of an aborted transaction', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const id = await sessionId(pool)
    const { signal, begin } = later()
    const transaction = pool.transaction(
      async (client) => {
        await forgetConnections(proxy)
        begin()
        await client.query('SELECT 1')
      },
      { signal },
    )
    await expect(transaction).rejects.toMatchObject(TIMED_OUT)
    await expectServed(pool, id)
  })

  test('frees the slot of a transaction that is aborted during COMMIT, and reports the outcome as unknown', async () => {
    const { pool, proxy } = await openRecordedPool('plain', options)
    const id = await sessionId(pool)
    const controller = new AbortController()
    const work = async (): Promise<void> => {
      await forgetConnections(proxy)
      // By then, COMMIT has been sent.
      setImmediate(() => controller.abort())
    }
    const transaction = pool.transaction(work, { signal: controller.signal })
    await expect(transaction).rejects.toBeInstanceOf(CommitUnknownError)
    await expectServed(pool, id)
  })
})

test('an abort frees the slot although the network drops everything', async () => {
  const { pool, proxy } = await openRecordedPool('plain', options)
  const id = await sessionId(pool)
  await proxy.hold()
  await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
  await expect.poll(() => pool.stats.size).toBe(0)
  await proxy.resume()
  await expectServed(pool, id)
})

test('a server that is stopped keeps no place past an abort', async () => {
  const server = await startMariadb({ own: true, tls: false })
  const pid = Number(readFileSync(join(server.folder ?? '', 'mariadb.pid'), 'utf8'))
  onTestFinished(() => {
    process.kill(pid, 'SIGCONT')
    return server.stop()
  })
  const { host, port, user, database } = server
  const pool = openPool({ host, port, user, database }, options)
  const id = await sessionId(pool)
  process.kill(pid, 'SIGSTOP')
  await expect.poll(() => isStopped(pid)).toBe(true)
  await expect(pool.query('SELECT 1', [], { signal: soon() })).rejects.toMatchObject(TIMED_OUT)
  await expect.poll(() => pool.stats.size).toBe(0)
  process.kill(pid, 'SIGCONT')
  await expectServed(pool, id)
})

/** Whether every thread of a process has stopped: some may still answer for a moment after the signal. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).every((task) =>
    /^State:\s+T/m.test(readFileSync(join(tasks, task, 'status'), 'utf8')),
  )
}
