import { CreateError } from '@forksafe/core'
import type { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pgDriver } from '../src/index.ts'
import {
  backendPid,
  connectionTo,
  fill,
  observe,
  openPool,
  openRecordedPool,
  sessionsAlive,
  transports,
} from './support/pools.ts'

const never = new AbortController().signal

async function openClient(): Promise<Client> {
  const client = await pgDriver.create(connectionTo(), { signal: never })
  onTestFinished(() => client.end())
  return client
}

describe('create', () => {
  test.each(transports)('opens a session over %s', async (transport) => {
    const pool = openPool(connectionTo({ transport }))
    const { rows } = await pool.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    expect(rows).toEqual([{ ssl: transport === 'TLS' }])
  })

  test('accepts a connection string, or a function that returns one', async () => {
    const { host, port, user, password, database } = connectionTo()
    const text = `postgres://${user}${password === undefined ? '' : `:${password as string}`}@${host}:${port}/${database}`
    expect((await openPool(text).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const asked = openPool(async () => text)
    expect((await asked.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('uses the stream that the configuration brings', async () => {
    const { Socket } = await import('node:net')
    const own = new Socket()
    const pool = openPool({ ...connectionTo(), stream: () => own }, { max: 1 })
    await backendPid(pool)
    expect(own.bytesWritten).toBeGreaterThan(0)
  })

  test('accepts an existing stream, or a connection of pg’s', async () => {
    const { Socket } = await import('node:net')
    const { Connection } = await import('pg')
    const made = [{ stream: new Socket() }, { connection: new Connection({}) }]
    for (const one of made) {
      const pool = openPool({ ...connectionTo(), ...(one as object) }, { max: 1 })
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    }
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
})

describe('classify', () => {
  test.each([
    ['no such database', { database: 'missing' }, '3D000'],
    ['no such role', { user: 'nobody_at_all' }, '28000'],
  ])('%s rejects those who wait at once', async (_, change, code) => {
    const pool = openPool({ ...connectionTo(), ...change }, { acquireTimeoutMillis: 20_000 })
    const error = await pool.query('SELECT 1').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CreateError)
    expect(error).toMatchObject({ cause: { code } })
  })

  test.each([
    [{ code: '28P01' }, 'fatal'],
    [{ code: '53300' }, 'full'],
    [{ code: '57P03' }, 'transient'],
    [{ code: 'ECONNREFUSED' }, 'transient'],
    [new Error('no code'), 'transient'],
    [undefined, 'transient'],
  ])('%o is %s', (error, kind) => {
    expect(pgDriver.classify?.(error)).toBe(kind)
  })
})

describe('validate', () => {
  test('distinguishes a live session from a dead one', async () => {
    const client = await openClient()
    expect(await pgDriver.validate?.(client)).toBe(true)
    await observe('SELECT pg_terminate_backend($1)', [await backendPid(client)])
    await expect(async () => pgDriver.validate?.(client)).rejects.toThrow(/terminat|not queryable/)
  })
})

describe('reset', () => {
  test('costs no round trip when the session is clean', async () => {
    const client = await openClient()
    await client.query('BEGIN')
    await client.query('COMMIT')
    expect(pgDriver.reset?.(client)).toBeUndefined()
  })

  test.each(['BEGIN', 'BEGIN; SELECT 1/0'])('rolls back what `%s` left open', async (left) => {
    const pool = openPool(connectionTo(), { max: 1 })
    const before = await backendPid(pool)
    await pool.use((client) => client.query(left).catch((error: unknown) => error))
    expect(await pool.use((client) => client.getTransactionStatus())).toBe('I')
    expect(await backendPid(pool)).toBe(before)
  })

  test('lets a query finish that its holder did not wait for', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const answers: string[] = []
    const late = await pool.use((client) => {
      const answer = client.query('SELECT pg_sleep(0.2)')
      return { answer: answer.finally(() => answers.push('late')) }
    })
    await pool.query('SELECT 1').finally(() => answers.push('next'))
    await late.answer
    expect(answers).toEqual(['late', 'next'])
  })
})

describe('destroy', () => {
  test('says goodbye to the server', async () => {
    const { pool, proxy } = await openRecordedPool('plain', { max: 1 })
    const pid = await backendPid(pool)
    const mark = await proxy.mark()
    await pool.close()
    const [goodbye] = await proxy.records({ since: mark })
    expect(goodbye).toMatchObject({ direction: 'fromClient', bytes: Buffer.from('X\0\0\0\u0004') })
    expect(await sessionsAlive([pid])).toEqual([])
  })
})

describe('discard', () => {
  test('is synchronous, and harmless when repeated', async () => {
    const client = await openClient()
    expect(pgDriver.discard(client)).toBeUndefined()
    expect(pgDriver.discard(client)).toBeUndefined()
    await expect(client.query('SELECT 1')).rejects.toThrow('terminated')
  })
})

describe('watch', () => {
  test('an idle session that the server ends is replaced, and the process lives', async () => {
    const pool = openPool(connectionTo(), { max: 2 })
    const pids = await fill(pool, 2)
    const reasons: string[] = []
    pool.on('destroy', ({ reason }) => reasons.push(reason))
    await observe('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids])
    await expect.poll(() => pool.stats.size).toBe(0)
    expect(reasons).toEqual(['lost', 'lost'])
    expect(pids).not.toContain(await backendPid(pool))
  })

  test('a lent session that the server ends frees its slot, even if its holder never releases it', async () => {
    const pool = openPool(connectionTo(), { max: 1 })
    const lease = await pool.acquire()
    const pid = await backendPid(lease.resource)
    await observe('SELECT pg_terminate_backend($1)', [pid])
    expect(await backendPid(pool)).not.toBe(pid)
    expect(() => lease.resource).toThrow('its resource was lost')
    lease.release()
  })
})
