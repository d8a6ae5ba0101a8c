import { AcquireTimeoutError, CreateError, type PoolEvents } from '@forksafe/core'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, type ClientConfig } from 'pg'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { useOwnServer } from './support/own-server.ts'
import { openPool } from './support/pools.ts'

const own = useOwnServer({ roles: { app: 'secret', clerk: 'secret' } })

beforeAll(async () => {
  const { tell } = own()
  await tell('CREATE ROLE nologin NOLOGIN')
  await tell('CREATE DATABASE closed')
  await tell('REVOKE CONNECT ON DATABASE closed FROM PUBLIC')
  await tell('CREATE DATABASE small CONNECTION LIMIT 0')
  await tell('ALTER ROLE clerk CONNECTION LIMIT 0')
})

type Failure = PoolEvents['createError'][0]

/** What a caller sees where no connection can be had, and what the pool made of it. */
async function refused(
  change: ClientConfig,
  acquireTimeoutMillis = 600,
): Promise<{ seen: unknown; failure: Failure }> {
  const pool = openPool({ ...own().connection, ...change }, { acquireTimeoutMillis })
  const failures: Failure[] = []
  pool.on('createError', (failure) => failures.push(failure))
  const seen = await pool.query('SELECT 1').catch((error: unknown) => error)
  const [failure] = failures
  if (failure === undefined) throw new Error('Expected a create to fail.')
  return { seen, failure }
}

const app = { user: 'app', password: 'secret' }

describe('a failure that a retry cannot fix immediately rejects all waiting callers:', () => {
  test.each<[string, ClientConfig, string]>([
    ['a wrong password', { user: 'app', password: 'wrong' }, '28P01'],
    ['no such role', { user: 'nobody_at_all' }, '28000'],
    ['a role that may not log in', { user: 'nologin' }, '28000'],
    ['no such database', { database: 'missing' }, '3D000'],
    ['a database that is closed to the role', { ...app, database: 'closed' }, '42501'],
    ['a setting that there is not', { options: '-c no_such_setting=1' }, '42704'],
    ['a setting with a wrong value', { options: '-c work_mem=much' }, '22023'],
    ['a setting that the role may not set', { ...app, options: '-c log_statement=all' }, '42501'],
    ['no setting at all', { options: '--nonsense' }, '42601'],
  ])('%s', async (_, change, code) => {
    const { seen, failure } = await refused(change, 20_000)
    expect(seen).toBeInstanceOf(CreateError)
    expect(seen).toMatchObject({ cause: { code } })
    expect(failure.kind).toBe('fatal')
  })

  test.each([undefined, null, 42, ['localhost']])(
    'a `connection` that is %s',
    async (connection) => {
      const pool = openPool(connection as never, { acquireTimeoutMillis: 20_000 })
      const error = await pool.query('SELECT 1').catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(CreateError)
      expect(error).toHaveProperty('cause.name', 'TypeError')
      expect(error).toHaveProperty(
        'cause.message',
        expect.stringMatching(/^Expected `connection` to be a connection string or .*, got /),
      )
    },
  )

  test('a port that is none', async () => {
    const { seen } = await refused({ port: 123_456 }, 20_000)
    expect(seen).toBeInstanceOf(CreateError)
    expect(seen).toHaveProperty('cause.code', 'ERR_SOCKET_BAD_PORT')
  })

  test('a host that is none', async () => {
    const { seen } = await refused({ host: 5 as never }, 20_000)
    expect(seen).toBeInstanceOf(CreateError)
    expect(seen).toHaveProperty('cause.name', 'TypeError')
  })

  test('no password, although the server asks for one', async () => {
    const { seen, failure } = await refused({ user: 'app' }, 20_000)
    expect(seen).toBeInstanceOf(CreateError)
    expect(seen).toHaveProperty('cause.message', expect.stringContaining('password must be a'))
    expect(failure.kind).toBe('fatal')
  })
})

describe('a full server keeps callers waiting, until their timeout:', () => {
  test.each<[string, ClientConfig]>([
    ['for the role', { user: 'clerk', password: 'secret' }],
    ['for the database', { ...app, database: 'small' }],
  ])('%s', async (_, change) => {
    const { seen, failure } = await refused(change)
    expect(seen).toBeInstanceOf(AcquireTimeoutError)
    expect(seen).toMatchObject({ phase: 'creating', cause: { code: '53300' } })
    expect(failure.kind).toBe('full')
  })
})

describe('a temporary failure is retried:', () => {
  test('a server that shuts down as soon as its sessions have ended, and is started anew', async () => {
    const { server, connection } = own()
    const last = new Client(connection)
    await last.connect()
    const [pid] = readFileSync(join(server.folder ?? '', 'data', 'postmaster.pid'), 'utf8').split(
      '\n',
    )
    // "Smart": who is there may stay.
    process.kill(Number(pid), 'SIGTERM')
    await expect
      .poll(async () => (await refused({})).failure)
      .toMatchObject({ kind: 'transient', error: { code: '57P03' } })

    const pool = openPool(connection)
    const waiting = pool.query('SELECT 1 AS one')
    await last.end()
    await server.restart()
    expect((await waiting).rows).toEqual([{ one: 1 }])
  })

  test('a password that could not be fetched', async () => {
    // Nobody listens there.
    const password = (): Promise<string> =>
      fetch('http://127.0.0.1:59999').then((answer) => answer.text())
    const { seen, failure } = await refused({ user: 'app', password })
    expect(seen).toBeInstanceOf(AcquireTimeoutError)
    expect(failure.kind).toBe('transient')
  })

  test('a server that is not there', async () => {
    const { server, connection } = own()
    await server.stopServer()
    onTestFinished(() => server.startServer())
    const { seen, failure } = await refused({})
    expect(seen).toBeInstanceOf(AcquireTimeoutError)
    expect(seen).toMatchObject({ phase: 'creating', cause: { code: 'ECONNREFUSED' } })
    expect(failure.kind).toBe('transient')
    const socket = await refused({ ...connection, host: server.socketDir })
    expect(socket.failure).toMatchObject({ kind: 'transient', error: { code: 'ENOENT' } })
  })
})
