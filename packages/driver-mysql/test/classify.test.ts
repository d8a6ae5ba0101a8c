import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { mysqlDriver } from '../src/index.ts'
import { connectionTo, observe, openPool, sessionId, transports } from './support/pools.ts'

test.each([
  [{ errno: 1045 }, 'fatal'],
  [{ errno: 1049 }, 'fatal'],
  [{ errno: 1040 }, 'full'],
  [{ errno: 1203 }, 'full'],
  [{ errno: 1226 }, 'full'],
  [{ errno: 1053 }, 'transient'],
  [{ code: 'ECONNREFUSED', errno: -111 }, 'transient'],
  [{ code: 'HANDSHAKE_SSL_ERROR', message: 'socket disconnected' }, 'transient'],
  [new Error('no code'), 'transient'],
  [undefined, 'transient'],
])('%o is %s', (error, kind) => {
  expect(mysqlDriver.classify?.(error)).toBe(kind)
})

/** What the pool makes of the first failed create. */
async function firstFailure(connection: ReturnType<typeof connectionTo> | string) {
  const pool = openPool(connection, { max: 1, acquireTimeoutMillis: 10_000 })
  const failures: { kind: string; error: unknown }[] = []
  pool.on('createError', (failure) => failures.push(failure))
  await pool.query('SELECT 1').catch(() => undefined)
  return failures[0]
}

describe.skipIf(!transports.includes('TLS'))('of TLS', () => {
  test('a certificate that nobody vouches for is fatal', async () => {
    expect(await firstFailure({ ...connectionTo(), ssl: {} })).toMatchObject({ kind: 'fatal' })
  })

  test('a certificate for another host is fatal', async () => {
    const { ssl, port } = connectionTo({ transport: 'TLS' })
    const stream = () => connect({ host: '127.0.0.1', port: Number(port) })
    const elsewhere = { ...connectionTo({ transport: 'TLS' }), host: 'db.example', ssl, stream }
    expect(await firstFailure(elsewhere as never)).toMatchObject({ kind: 'fatal' })
  })
})

test.each([
  ['a URI that is none', 'not a uri'],
  ['an unknown character set', { ...connectionTo(), charset: 'klingon' }],
  ['a port that is none', { ...connectionTo(), port: 99_999 }],
])('%s is fatal', async (_, connection) => {
  expect(await firstFailure(connection)).toMatchObject({ kind: 'fatal' })
})

test('for a user at its connection limit, the server counts as full, and the pool uses the connections that it has', async () => {
  await observe("CREATE USER limited@'%' IDENTIFIED BY 'limited' WITH MAX_USER_CONNECTIONS 1")
  onTestFinished(() => observe("DROP USER limited@'%'").then(() => undefined))
  const { database: _, ...connection } = connectionTo()
  const pool = openPool(
    { ...connection, user: 'limited', password: 'limited' },
    { max: 5, acquireTimeoutMillis: 2_000 },
  )
  const kinds: string[] = []
  pool.on('createError', ({ kind }) => kinds.push(kind))
  const lease = await pool.acquire()
  await expect(pool.query('SELECT 1')).rejects.toMatchObject({ cause: { errno: 1226 } })
  const next = sessionId(pool)
  const id = await sessionId(lease.resource)
  lease.release()
  expect(await next).toBe(id)
  expect(new Set(kinds)).toEqual(new Set(['full']))
})
