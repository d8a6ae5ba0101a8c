import { CreateError } from '@forksafe/core'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { useOwnServer } from './support/own-server.ts'
import { openPool } from './support/pools.ts'

const own = useOwnServer({ roles: { app: 'p@ss/word' } })
const parts = { rootcert: '', otherRootcert: '' }

beforeAll(() => {
  parts.rootcert = write('root.crt', own().server.ca ?? '')
  parts.otherRootcert = write('other.crt', rootCertificates[0] ?? '')
})

/** Beside the server's own, in the folder that goes with it. */
function write(name: string, text: string): string {
  const path = join(own().server.folder ?? '', name)
  writeFileSync(path, text)
  return path
}

/** Puts what is known of the server into a template. */
function filled(template: string): string {
  const { host, port, socketDir = '' } = own().server
  return template
    .replace('HOST', host)
    .replace('PORT', String(port))
    .replace('SOCKET', encodeURIComponent(socketDir))
    .replace('FOLDER', socketDir)
    .replace('OTHER', encodeURIComponent(parts.otherRootcert))
    .replace('ROOT', encodeURIComponent(parts.rootcert))
}

const SESSION = `SELECT current_user AS user, inet_server_addr() IS NULL AS local, ssl, current_setting('work_mem') AS memory
  FROM pg_stat_ssl WHERE pid = pg_backend_pid()`

describe('a connection string reaches the server', () => {
  test.each([
    ['over TCP', 'postgres://postgres@HOST:PORT/postgres', {}],
    ['by the name postgresql', 'postgresql://postgres@HOST:PORT/postgres', {}],
    [
      'with an encoded password',
      'postgres://app:p%40ss%2Fword@HOST:PORT/postgres',
      { user: 'app' },
    ],
    [
      'over a Unix socket, by `host`',
      'postgres://postgres@/postgres?host=SOCKET&port=PORT',
      { local: true },
    ],
    [
      'over a Unix socket, by an encoded host',
      'postgres://postgres@SOCKET:PORT/postgres',
      { local: true },
    ],
    ['without TLS, where it says so', 'postgres://postgres@HOST:PORT/postgres?sslmode=disable', {}],
    [
      'over TLS with nobody vouching',
      'postgres://postgres@HOST:PORT/postgres?sslmode=no-verify',
      { ssl: true },
    ],
    [
      'over TLS with nobody vouching, as libpq says it',
      'postgres://postgres@HOST:PORT/postgres?uselibpqcompat=true&sslmode=require',
      { ssl: true },
    ],
    [
      'over TLS with an authority of its own',
      'postgres://postgres@localhost:PORT/postgres?sslmode=verify-full&sslrootcert=ROOT',
      { ssl: true },
    ],
    [
      'with settings of its own',
      'postgres://postgres@HOST:PORT/postgres?options=-c%20work_mem%3D7MB',
      { memory: '7MB' },
    ],
  ])('%s', async (_, template, session) => {
    const pool = openPool(filled(template), { acquireTimeoutMillis: 20_000 })
    const { rows } = await pool.query(SESSION)
    expect(rows).toEqual([
      { user: 'postgres', local: false, ssl: false, memory: '4MB', ...session },
    ])
  })

  test('with what the string does not say said beside it', async () => {
    const { server } = own()
    const connectionString = filled('postgres://postgres@HOST:PORT/postgres')
    const pool = openPool({ connectionString, ssl: { ca: server.ca }, application_name: 'beside' })
    const text =
      'SELECT ssl, application_name FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()'
    expect((await pool.query(text)).rows).toEqual([{ ssl: true, application_name: 'beside' }])
  })
})

describe('waiting callers are rejected at once', () => {
  test.each<readonly [string, string, RegExp]>([
    [
      'of a certificate that nobody vouches for',
      'postgres://postgres@HOST:PORT/postgres?sslmode=verify-full',
      /certificate/,
    ],
    [
      'of one that somebody else vouches for',
      'postgres://postgres@HOST:PORT/postgres?sslmode=verify-full&sslrootcert=OTHER',
      /certificate/,
    ],
    [
      'of one that is made out to another name',
      // This machine by another address. pg before 8.23.1 would ask for `localhost`.
      'postgres://postgres@0.0.0.0:PORT/postgres?sslmode=verify-full&sslrootcert=ROOT',
      /altnames/,
    ],
    ['that the string is no URL', 'postgres://postgres@HOST:notaport/postgres', /Invalid URL/],
  ])('%s', async (_, template, reason) => {
    const pool = openPool(filled(template), { acquireTimeoutMillis: 20_000 })
    const error = await pool.query('SELECT 1').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CreateError)
    expect((error as CreateError).cause).toHaveProperty('message', expect.stringMatching(reason))
  })

  test('that the server does not speak TLS', async () => {
    const { tell, connection } = own()
    await tell('ALTER SYSTEM SET ssl = off')
    await tell('SELECT pg_reload_conf()')
    await expect
      .poll(async () => {
        const pool = openPool({ ...connection, ssl: true }, { acquireTimeoutMillis: 20_000 })
        return pool.query('SELECT 1').catch((thrown: unknown) => (thrown as Error).message)
      })
      .toContain('The server does not support SSL connections')
  })
})
